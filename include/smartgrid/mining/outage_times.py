"""Times as people write them into logs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

# Written so that day and month cannot be taken for each other; 7/4/2011 needs `time_format`.
_DATES = ("%A, %B %d, %Y", "%B %d, %Y", "%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%Y/%m/%d", "%Y%m%d")
_TIMES = ("%I:%M:%S %p", "%I:%M %p", "%H:%M:%S", "%H:%M", "%I %p")


class UnreadableTime(ValueError):
    """`reason`: unreadable, or does_not_exist (skipped when clocks go forward)."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def parse_local(texts: Sequence[str], time_format: str | None, zone: ZoneInfo) -> datetime:
    """A time written in one text, or a date and a time of day in two; `zone` where it has no offset.

    Of an hour that happens twice when clocks go back the first is meant.

    >>> parse_local(["2011-07-01 00:00:00", "5:00:00 PM"], None, ZoneInfo("America/Chicago")).isoformat()
    '2011-07-01T17:00:00-05:00'

    Raises:
        UnreadableTime
    """
    if time_format is not None:
        moment = _with_format(" ".join(texts), time_format)
    elif len(texts) == 1:
        moment = _one(texts[0])
    else:
        # Spreadsheets write a date as its midnight; the time of day stands in the other column.
        moment = datetime.combine(_one(texts[0]).date(), _time_of_day(texts[1]))
    if moment.tzinfo is not None:
        return moment
    local = moment.replace(tzinfo=zone)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise UnreadableTime("does_not_exist")
    return local


def _with_format(text: str, time_format: str) -> datetime:
    try:
        return datetime.strptime(text, time_format)  # noqa: DTZ007 - the caller knows the zone
    except ValueError:
        raise UnreadableTime("unreadable") from None


def _one(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for date_format in _DATES:
        for form in (date_format, *(f"{date_format} {of_day}" for of_day in _TIMES)):
            try:
                return datetime.strptime(text, form)  # noqa: DTZ007 - the caller knows the zone
            except ValueError:
                continue
    raise UnreadableTime("unreadable")


def _time_of_day(text: str) -> time:
    try:
        return datetime.fromisoformat(text).time()
    except ValueError:
        pass
    try:
        return time.fromisoformat(text)
    except ValueError:
        pass
    for form in _TIMES:
        try:
            return datetime.strptime(text, form).time()  # noqa: DTZ007 - a time of day has none
        except ValueError:
            continue
    raise UnreadableTime("unreadable")
