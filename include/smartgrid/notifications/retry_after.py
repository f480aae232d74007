"""`Retry-After`: seconds or a date, as RFC 9110 (10.2.3) has it."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_S = 86_400.0


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait, at most a day; None where the header is absent or makes no sense.

    >>> retry_after_s("120")
    120.0
    """
    if value is None or not value.strip():
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    if seconds != seconds:  # not a number
        return None
    return min(max(seconds, 0.0), LONGEST_S)
