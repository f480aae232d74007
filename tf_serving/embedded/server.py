"""Starts everything in order, waits for a signal, ends everything in the opposite order."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time
from pathlib import Path

from tf_serving.embedded.batched_loading import batch_scheduler
from tf_serving.embedded.config_file_watcher import ConfigFileWatcher
from tf_serving.embedded.faces import Faces
from tf_serving.embedded.manager_from_flags import new_manager
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.model_loading import load_function
from tf_serving.embedded.request_log import WRITER
from tf_serving.embedded.tf_library import library

log = logging.getLogger("tf_serving.embedded")


def serve(flags: argparse.Namespace) -> None:
    """Serve in this process until SIGTERM or SIGINT.

    Raises:
        ServingError, OSError, RuntimeError: it cannot begin.
    """
    started = time.monotonic()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    library()
    scheduler = batch_scheduler(flags.enable_batching, flags.batching_parameters_file)
    faces = Faces(flags, stop)
    metrics = Metrics()
    manager = new_manager(flags, load_function(flags, scheduler, metrics))
    metrics.count_only(manager.model_names)
    watcher = None
    try:
        manager.start(flags.file_system_poll_wait_seconds)
        # What is there is loaded before the ports open: after a restart no client finds a server without its model.
        manager.wait_first_load(still_wanted=lambda: not stop.is_set())
        faces.start(manager, metrics)
        if flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0:
            watcher = ConfigFileWatcher(
                manager, Path(flags.model_config_file), flags.model_config_file_poll_wait_seconds
            )
            watcher.start()
        log.info("serving %s, after %.2f s", faces, time.monotonic() - started)
        stop.wait()
        log.info("stopping")
    finally:
        if watcher is not None:
            watcher.stop()
        faces.stop()
        manager.stop()
        WRITER.stop()
