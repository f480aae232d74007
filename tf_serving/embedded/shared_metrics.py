"""Metrics in a worker: it counts what it answers itself, and shows the sums over all workers."""

from __future__ import annotations

import threading

from tf_serving.embedded.control_channel import ControlChannel
from tf_serving.embedded.metrics import Metrics


class SharedMetrics(Metrics):
    """`text` is what clients read; `own_text` goes to the parent, which adds up."""

    def __init__(self, channel: ControlChannel) -> None:
        super().__init__()
        self._channel = channel
        self._texts, self._text_lock = 0, threading.Lock()

    def text(self) -> str:
        """All series of all workers.

        Raises:
            ServingError: the server is stopping.
        """
        text: str = self._channel.ask("metrics")
        return text

    def own_text(self) -> tuple[int, str]:
        """All series of this process, and the number of this text: who gets two knows which is the later one."""
        with self._text_lock:
            self._texts += 1
            return self._texts, super().text()
