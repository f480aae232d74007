"""Which REST requests are answered on the event loop itself.

Handing a request to a thread and back costs more than running a small model, so small requests to models that have
shown themselves to be fast are not handed over. Everything else must not hold up the loop.
"""

from __future__ import annotations

from urllib.parse import unquote

from tf_serving.embedded.predict import ModelManager

_LARGEST_BODY = 32 * 1024
_LONGEST_S = 0.002
_WINDOW = 16
_MOST_PATHS = 1024
_PREFIX = "/v1/models/"


class InlineRule:
    """Decides, and watches how long the requests take that it let through. Used by the event loop's thread only."""

    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager
        self._names: dict[str, str] = {}
        self._recent: dict[str, tuple[float, int]] = {}  # model -> best time, requests seen

    def applies(self, method: str, target: str, body_size: int) -> bool:
        """Whether this request is answered at once."""
        if method != "POST" or body_size > _LARGEST_BODY:
            return False
        versions = self._manager.available(self._name(target))
        return bool(versions) and all(servable.model.runs_inline for servable in versions)

    def took(self, target: str, seconds: float) -> None:
        """Note a request; the best of some counts, because other work on the machine can only add time."""
        name = self._name(target)
        best_s, seen = self._recent.get(name, (float("inf"), 0))
        best_s, seen = min(best_s, seconds), seen + 1
        if seen == _WINDOW:
            if best_s > _LONGEST_S:
                for servable in self._manager.available(name):
                    servable.model.runs_inline = False
            best_s, seen = float("inf"), 0
        self._recent[name] = best_s, seen

    def _name(self, target: str) -> str:
        name = self._names.get(target)
        if name is None:
            name = unquote(target[len(_PREFIX) :].split(":", 1)[0].split("/", 1)[0])
            if len(self._names) >= _MOST_PATHS:
                self._names.clear()  # paths that strangers make up must not fill the memory
            self._names[target] = name
        return name
