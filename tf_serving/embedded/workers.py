"""Several processes that serve as one: --workers=N.

The parent holds the one truth. It runs the same manager as a server of one process: looks at the disk, decides what to
load and to unload, checks new configurations and labels, keeps the states of all versions. But a model it loads is a
`FleetVersion`: loaded in every worker. Workers decide nothing; they load, show and close what they are told, and answer
requests from what they show. What concerns all (states, reload, metrics) they ask the parent. So:

- A new configuration is checked once, by the parent: refused, it changes nothing anywhere; accepted, every worker shows
  it, all models and labels in one step, before the answer goes out.
- A version becomes AVAILABLE after every worker shows it. From then on no request without a version reaches an older
  one. Shortly before, for the time of two messages, one worker may show it and another not yet. The old version is
  unloaded after that, in each worker after its last request.
- A version that cannot be loaded in one worker is loaded in none.
- Metrics are sums over all workers, those that have ended included: the parent asks each at every scrape and every
  second besides. What a killed worker counted after the last of these is lost; no counter ever becomes less.
- A worker that ends is started again, and listens only when it has loaded and shows what the others do. One that does
  not answer its parent for 15 seconds is killed. Workers whose parent ends finish their requests and end.

The parent loads neither TensorFlow nor the network faces. Each worker binds the TCP ports for itself (SO_REUSEPORT)
and inherits the Unix socket.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tf_serving.embedded.config_file_watcher import ConfigFileWatcher
from tf_serving.embedded.manager import Manager
from tf_serving.embedded.manager_from_flags import new_manager
from tf_serving.embedded.reserved_ports import ReservedPorts
from tf_serving.embedded.worker_fleet import FleetVersion, WorkerFleet
from tf_serving.embedded.worker_hub import WorkerHub
from tf_serving.embedded.worker_process import WorkerProcess
from tf_serving.embedded.worker_slot import WorkerSlot

log = logging.getLogger("tf_serving.embedded")

_CHECK_S = 1.0
_SHUTDOWN_S = 25.0  # both faces have ten seconds for the requests under way


def supervise(flags: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Serve by `flags.workers` processes, started with `arguments`, until SIGTERM or SIGINT.

    Raises:
        ServingError, OSError: they cannot begin.
    """
    started = time.monotonic()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    fleet = WorkerFleet()
    manager = new_manager(flags, fleet.load, fleet.publish)
    hub = WorkerHub(manager, fleet, stop)
    fleet.picture = hub.picture
    with ReservedPorts(flags) as ports:
        slots = [
            WorkerSlot(number, lambda number: WorkerProcess(number, arguments, ports.unix_socket, hub.answer), fleet)
            for number in range(flags.workers)
        ]
        try:
            _open(flags, manager, fleet, slots, stop)
            log.info("%d workers serve, after %.2f s", flags.workers, time.monotonic() - started)
            _watch(flags, manager, fleet, stop)
            log.info("stopping")
        finally:
            stop.set()
            fleet.stop()
            for slot in slots:
                slot.drain()
            deadline = time.monotonic() + _SHUTDOWN_S
            for slot in slots:
                slot.join(max(0.0, deadline - time.monotonic()))
            manager.stop()


def _open(
    flags: argparse.Namespace,
    manager: Manager[FleetVersion],
    fleet: WorkerFleet,
    slots: Sequence[WorkerSlot],
    stop: threading.Event,
) -> None:
    def hopeful() -> bool:
        return not stop.is_set() and all(slot.failure is None for slot in slots)

    for slot in slots:
        slot.start()
    fleet.wait_for_workers(len(slots), hopeful)
    if hopeful():
        manager.start(flags.file_system_poll_wait_seconds)
        # What is there is loaded before the ports open, as in a server of one process.
        manager.wait_first_load(hopeful)
    for slot in slots:
        if slot.failure is not None:
            raise slot.failure
    if not stop.is_set():
        fleet.open()


def _watch(
    flags: argparse.Namespace, manager: Manager[FleetVersion], fleet: WorkerFleet, stop: threading.Event
) -> None:
    watcher = None
    if flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0:
        watcher = ConfigFileWatcher(manager, Path(flags.model_config_file), flags.model_config_file_poll_wait_seconds)
        watcher.start()
    # In a thread: a worker that hangs must not hold up the answer to a signal.
    threading.Thread(target=_check, args=(fleet, stop), name="check", daemon=True).start()
    stop.wait()
    if watcher is not None:
        watcher.stop()


def _check(fleet: WorkerFleet, stop: threading.Event) -> None:
    while not stop.wait(_CHECK_S):
        fleet.check()
