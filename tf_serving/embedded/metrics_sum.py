"""The metrics of several processes as one: every series is the sum of theirs, of those that have ended too."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable


class MetricsSum:
    """Keeps the last text of each process. What has been shown once never becomes less: a process that ends leaves its
    last counts behind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[Hashable, tuple[int, str]] = {}
        self._ended = ""

    def join(self, process: Hashable) -> None:
        """Count `process` from now on."""
        with self._lock:
            self._last[process] = 0, ""

    def note(self, process: Hashable, number: int, text: str) -> None:
        """What `process` has counted up to now, in its text of this number. Nothing is taken of a process that has
        left, nor an older text after a newer one."""
        with self._lock:
            if process in self._last and number > self._last[process][0]:
                self._last[process] = number, text

    def leave(self, process: Hashable) -> None:
        """Keep the last counts of a process that has ended."""
        with self._lock:
            self._ended = summed([self._ended, self._last.pop(process)[1]])

    def text(self) -> str:
        """The sums, in Prometheus' text format."""
        with self._lock:
            return summed([*(text for _, text in self._last.values()), self._ended])


def summed(texts: Iterable[str]) -> str:
    """Texts in Prometheus' format as one. Counters and histograms are sums of their lines, one by one.

    >>> print(summed(["# TYPE n counter\\nn{a='x'} 1\\n", "# TYPE n counter\\nn{a='y'} 5\\nn{a='x'} 2\\n"]), end="")
    # TYPE n counter
    n{a='x'} 3
    n{a='y'} 5
    """
    families: dict[str, dict[str, int | float]] = {}
    for text in texts:
        family: dict[str, int | float] = {}
        for line in filter(None, text.split("\n")):
            if line.startswith("#"):
                family = families.setdefault(line, {})
                continue
            series, value = line.rsplit(" ", 1)
            family[series] = family.get(series, 0) + (float(value) if "." in value else int(value))
    lines: list[str] = []
    for head, family in families.items():
        lines.append(head)
        lines += [
            f"{series} {value:.6f}" if isinstance(value, float) else f"{series} {value}"
            for series, value in family.items()
        ]
    return "".join(f"{line}\n" for line in lines)
