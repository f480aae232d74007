"""One worker as its parent sees it: a child process and the channel to it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tf_serving.embedded.control_channel import ControlChannel
from tf_serving.embedded.status import Code, ServingError


class WorkerProcess:
    """Starts at once, with the server's flags. `answer` gets the worker's questions, with the worker. `gone`: it has
    ended; `hung`: it was killed because it did not answer."""

    def __init__(
        self,
        number: int,
        flags: Sequence[str],
        unix_socket: socket.socket | None,
        answer: Callable[[WorkerProcess, str, Any], Any],
    ) -> None:
        self.number = number
        ours, theirs = socket.socketpair()
        with theirs:
            control, shared = theirs.fileno(), "none" if unix_socket is None else str(unix_socket.fileno())
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "tf_serving.embedded.worker", str(number), str(control), shared, *flags,
                ],
                pass_fds=[control] if unix_socket is None else [control, unix_socket.fileno()],
            )  # fmt: skip
        self._prepared = threading.Event()
        self._refusal: ServingError | None = None
        self._answer = answer
        self.gone = threading.Event()
        self.hung = False
        self.channel = ControlChannel(ours, self._hear, self._closed)
        self.channel.start()

    def __str__(self) -> str:
        return f"worker {self.number} (process {self._process.pid})"

    def wait_prepared(self) -> None:
        """Until it can load models.

        Raises:
            ServingError: it cannot begin.
        """
        self._prepared.wait()
        if self._refusal is not None:
            raise self._refusal

    def drain(self) -> None:
        """Let it finish the requests under way and end."""
        self.channel.begin("drain")

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self._process.kill()

    def wait(self) -> str:
        """Until it has ended; tells how."""
        code = self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _hear(self, question: str, body: Any) -> Any:
        if question == "prepared":
            self._prepared.set()
            return None
        if question == "cannot_begin":
            code, text = body
            self._refusal = ServingError(Code(code), text)
            self._prepared.set()
            return None
        return self._answer(self, question, body)

    def _closed(self) -> None:
        self.gone.set()
        if not self._prepared.is_set():
            self._refusal = ServingError(Code.INTERNAL, f"{self} ended before it could load models")
            self._prepared.set()
