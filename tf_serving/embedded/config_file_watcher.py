"""Rereads the --model_config_file: what it says wins again over a configuration that came by RPC."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from tf_serving.embedded.manager import Manager
from tf_serving.embedded.model_config import read_model_config_file
from tf_serving.embedded.servable import M
from tf_serving.embedded.status import ServingError

log = logging.getLogger(__name__)


class ConfigFileWatcher:
    """A thread that applies the file every `interval_s` where it differs from the configuration in use."""

    def __init__(self, manager: Manager[M], file: Path, interval_s: float) -> None:
        self._manager, self._file, self._interval_s = manager, file, interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="config-file", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        problem = ""
        while not self._stop.wait(self._interval_s):
            try:
                self._apply()
                problem = ""
            except ServingError as error:
                if error.message != problem:  # once, not at every look
                    log.error("%s is not applied: %s", self._file, error.message)
                problem = error.message

    def _apply(self) -> None:
        configs = read_model_config_file(self._file, self._manager.model_names())
        if configs == self._manager.configs():
            return
        # Not waiting for new models: the next look at the file must not depend on their loading.
        self._manager.reload(configs, still_wanted=lambda: False)
