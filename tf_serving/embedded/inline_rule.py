"""Which models run on the event loop itself.

Handing a request to a thread and back costs more than running a small model, so small requests to models that show
themselves to be fast are not handed over. Everything else must not hold up the loop.
"""

from __future__ import annotations

LARGEST_BODY = 32 * 1024
_LONGEST_S = 0.002
_MOST_S = 0.1  # that requests to a slow model may hold the loop, all together, until it is known as such
_WINDOW = 16


class InlineRule:
    """Of one model: `applies` until its requests turn out to be slow. `took` is called by the loop's thread only."""

    __slots__ = ("_best_s", "_seen", "_sum_s", "applies")

    def __init__(self, *, applies: bool) -> None:
        self.applies = applies
        self._best_s, self._sum_s, self._seen = float("inf"), 0.0, 0

    def took(self, seconds: float) -> None:
        """Note a request; the best of some counts, because other work on the machine can only add time."""
        self._best_s = min(self._best_s, seconds)
        self._sum_s += seconds
        self._seen += 1
        if self._best_s > _LONGEST_S and (self._seen == _WINDOW or (self._seen > 2 and self._sum_s > _MOST_S)):
            self.applies = False
        if self._seen == _WINDOW:
            self._best_s, self._sum_s, self._seen = float("inf"), 0.0, 0
