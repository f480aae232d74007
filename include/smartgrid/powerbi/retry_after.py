"""How long a service asks its callers to stay away."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_PAUSE_S = 60.0


def service_time(headers: Mapping[str, str]) -> datetime | None:
    """The `Date` of an answer: the service's clock, which is the one that its records follow."""
    return _http_date(headers.get("Date"))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of `Retry-After`, given as seconds or as a date (reckoned by the service's own clock); None: not said.

    >>> retry_after_s({"Retry-After": "7"})
    7.0
    >>> retry_after_s({"Retry-After": "soon"}) is None
    True
    """
    text = (headers.get("Retry-After") or "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text)) if text.lower() not in ("nan", "inf", "infinity") else None
    except ValueError:
        moment = _http_date(text)
    if moment is None:
        return None
    return max(0.0, (moment - (service_time(headers) or datetime.now(UTC))).total_seconds())


def pause_s(attempt: int, asked_s: float | None, first_s: float = 1.0) -> float:
    """The pause before try `attempt` (1: the first repetition): as asked, else growing with a random part.

    A request to come back at once is not taken literally: a service that says so while it fails would be hammered.
    """
    growing: float = min(LONGEST_PAUSE_S, first_s * 2 ** min(attempt - 1, 10)) * random.uniform(0.75, 1.25)  # noqa: S311
    if asked_s is None:
        return growing
    return max(asked_s, 0.2)


def _http_date(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
