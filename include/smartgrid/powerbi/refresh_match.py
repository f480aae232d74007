"""Which entry of the service's history is the refresh that we started.

Takers of the newest entry report the end of the refresh before theirs: the history lists a new one late, and a
standard refresh may get no id at all. So: by id where there is one; else an entry that was not listed before, belongs
to none of our other refreshes and began after the service's own clock of that time; and, when half of the time to
settle is over, the only new entry whenever it says it began, for services whose clocks disagree with themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from smartgrid.powerbi.refresh_report import RefreshReport

# `Date` has whole seconds, and two servers of the service may differ by some.
CLOCK_SLACK = timedelta(seconds=3)
# An id that was given and is not listed yet gets this share of the settling time before the id is doubted.
ID_SHARE, START_SHARE = 0.25, 0.5
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Started:
    """What is known of a start: ids given, entries listed before it, the service's time then, and its age now."""

    service_ids: Sequence[str]
    known_before: Collection[str]
    claimed: Collection[str]
    service_time: datetime | None
    age_s: float


def find(entries: Sequence[RefreshReport], started: Started, settle_s: float) -> RefreshReport | None:
    """The entry of this start, or None while it cannot be told."""
    wanted = {one.lower() for one in started.service_ids}
    for entry in entries:
        if entry.identity.lower() in wanted:
            return entry
    if wanted and started.age_s < settle_s * ID_SHARE:
        return None
    strange = {one.lower() for one in (*started.known_before, *started.claimed)}
    new = [entry for entry in entries if entry.by_api and entry.identity.lower() not in strange]
    after = [entry for entry in new if _began_after(entry, started.service_time)]
    if after:
        # Ours was asked for right after that time: what came later belongs to somebody else.
        return min(after, key=lambda entry: entry.started_at or END_OF_TIME)
    if len(new) == 1 and started.age_s >= settle_s * START_SHARE:
        return new[0]
    return None


def _began_after(entry: RefreshReport, service_time: datetime | None) -> bool:
    if service_time is None or entry.started_at is None:
        return service_time is None
    return entry.started_at >= service_time - CLOCK_SLACK
