"""One worker of a server with --workers: loads and shows what its parent tells it, and answers requests.

Started by the parent as `python -m tf_serving.embedded.worker NUMBER CONTROL UNIX_SOCKET FLAGS...`: its number, the
descriptor of the socket to the parent, that of the shared Unix socket or "none", and the flags of the server.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tf_serving.embedded.batched_loading import batch_scheduler
from tf_serving.embedded.control_channel import ControlChannel
from tf_serving.embedded.faces import Faces
from tf_serving.embedded.flags import parse_flags
from tf_serving.embedded.model_loading import load_function
from tf_serving.embedded.request_log import WRITER
from tf_serving.embedded.runner import SavedModelRunner
from tf_serving.embedded.shared_metrics import SharedMetrics
from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.tf_library import library
from tf_serving.embedded.worker_manager import WorkerManager

log = logging.getLogger("tf_serving.embedded")


class Worker:
    """`end` is this side of the socket to the parent. `stop` ends it; so does the end of the parent."""

    def __init__(
        self, end: socket.socket, unix_socket: socket.socket | None, flags: argparse.Namespace, stop: threading.Event
    ) -> None:
        self._unix_socket, self._flags, self._stop = unix_socket, flags, stop
        self._channel = ControlChannel(end, self._answer, closed=stop.set)
        self._channel.start()

    def serve(self) -> int:
        """Serve until told to stop. Returns the exit code."""
        try:
            self._prepare()
        except (ServingError, RuntimeError, OSError) as error:
            code, text = (error.code, error.message) if isinstance(error, ServingError) else (Code.UNKNOWN, str(error))
            self._tell("cannot_begin", [int(code), text])
            return 1
        self._tell("prepared")
        self._stop.wait()
        self._faces.stop()
        self._tell("counted", self._metrics.own_text())
        self._manager.close_all()
        WRITER.stop()
        return 0

    def _prepare(self) -> None:
        library()
        scheduler = batch_scheduler(self._flags.enable_batching, self._flags.batching_parameters_file)
        self._faces = Faces(self._flags, self._stop, shared_ports=True, unix_socket=self._unix_socket)
        self._metrics = SharedMetrics(self._channel)
        self._manager: WorkerManager[SavedModelRunner] = WorkerManager(
            load_function(self._flags, scheduler, self._metrics), self._channel
        )
        self._metrics.count_only(self._manager.model_names)
        self._answers: dict[str, Callable[[Any], Any]] = {
            "load": lambda body: self._manager.load(*body),
            "show": lambda body: self._manager.show(**body),
            "close": self._manager.close,
            "open": self._open,
            "metrics": lambda _: self._metrics.own_text(),
        }

    def _answer(self, question: str, body: Any) -> Any:
        if question == "drain":  # may come before anything else is there
            return self._stop.set()
        return self._answers[question](body)

    def _open(self, _: Any) -> None:
        try:
            self._faces.start(self._manager, self._metrics)
        except OSError as error:
            raise ServingError(Code.UNKNOWN, str(error)) from None

    def _tell(self, what: str, body: Any = None) -> None:
        try:
            self._channel.ask(what, body)
        except ServingError:
            log.info("the parent has ended; this worker ends too")


def main(arguments: Sequence[str]) -> int:
    """Serve until the parent says to stop, or SIGTERM does."""
    number, control, unix_socket, *flags_given = arguments
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format=f"%(asctime)s %(levelname)s worker {number} %(name)s: %(message)s",
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which sees to an orderly end
    flags, _ = parse_flags(flags_given)
    shared = None if unix_socket == "none" else socket.socket(fileno=int(unix_socket))
    return Worker(socket.socket(fileno=int(control)), shared, flags, stop).serve()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
