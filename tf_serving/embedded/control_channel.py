"""Questions and answers between two processes of one server, small JSON messages over a socket that they inherit.

Either side may ask at any time, and many questions may be open at once. The socket has no name, so nobody else can
speak on it; when a process ends, however it ends, the other side sees it at once.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import Any

from tf_serving.embedded.status import Code, ServingError

log = logging.getLogger(__name__)


class ChannelClosed(ServingError):
    """The process on the other side has ended."""

    def __init__(self) -> None:
        super().__init__(Code.UNAVAILABLE, "A process of this server has ended before it answered")


class ControlChannel:
    """One end. `answer` gets the name of a question and its body, in a thread of that question's own; what it returns
    or the ServingError it raises goes back. `closed` is called once, when the other side is gone."""

    def __init__(
        self, end: socket.socket, answer: Callable[[str, Any], Any], closed: Callable[[], None] = lambda: None
    ) -> None:
        self._connection = Connection(end.detach())
        self._answer, self._closed = answer, closed
        self._sending, self._lock = threading.Lock(), threading.Lock()
        self._open: dict[int, Future[Any]] = {}
        self._asked = 0
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="control", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._reader.start()

    def begin(self, question: str, body: Any = None) -> Future[Any]:
        """Ask without waiting. The future fails with ServingError where the other side does, or is gone."""
        future: Future[Any] = Future()
        with self._lock:
            self._asked += 1
            number = self._asked
            if self._ended:
                future.set_exception(ChannelClosed())
                return future
            self._open[number] = future
        self._send({"number": number, "question": question, "body": body})
        return future

    def ask(self, question: str, body: Any = None, timeout_s: float | None = None) -> Any:
        """Ask and wait.

        Raises:
            ServingError: the other side's refusal, or ChannelClosed.
            TimeoutError: no answer after `timeout_s`.
        """
        return self.begin(question, body).result(timeout_s)

    def _send(self, message: dict[str, Any]) -> None:
        try:
            with self._sending:
                self._connection.send_bytes(json.dumps(message).encode())
        except OSError:
            # The reader sees the end of the other side too, and fails all that is open.
            log.debug("not sent: the other process has ended")

    def _read(self) -> None:
        while True:
            try:
                message = json.loads(self._connection.recv_bytes())
            except (EOFError, OSError):
                break
            if "question" in message:
                threading.Thread(target=self._respond, args=(message,), name=message["question"], daemon=True).start()
                continue
            with self._lock:
                future = self._open.pop(message["number"])
            if "error" in message:
                code, text = message["error"]
                future.set_exception(ServingError(Code(code), text))
            else:
                future.set_result(message["answer"])
        with self._lock:
            self._ended = True
            left = list(self._open.values())
            self._open.clear()
        with self._sending:
            self._connection.close()
        for future in left:
            future.set_exception(ChannelClosed())
        self._closed()

    def _respond(self, message: dict[str, Any]) -> None:
        reply: dict[str, Any] = {"number": message["number"]}
        try:
            reply["answer"] = self._answer(message["question"], message["body"])
        except ServingError as error:
            reply["error"] = [int(error.code), error.message]
        except Exception as error:
            # Whatever goes wrong in one process, the one that asked must not wait for ever.
            log.exception("%s failed", message["question"])
            reply["error"] = [int(Code.INTERNAL), f"{type(error).__name__}: {error}"]
        self._send(reply)
