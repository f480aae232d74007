"""Where recorded data end, a few misdated rows aside.

One reading dated 2099 must not move the replay clock to 2099: everything after it would never be read.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

MAX_GAP = timedelta(days=30)
MAX_STRAY_SHARE = 0.01


def plausible_end(times: pl.Series) -> datetime | None:
    """The last time that is not in the future and not of a few strays: at most 1 % of all, more than 30 days after the
    rest. None where no time is left."""
    ordered = times.drop_nulls().sort()
    ordered = ordered.filter(ordered <= datetime.now(UTC) + timedelta(days=3))  # weather forecasts reach ahead
    if ordered.is_empty():
        return None
    keep_at_least = ordered.len() - int(ordered.len() * MAX_STRAY_SHARE)
    tail = ordered.slice(max(keep_at_least - 1, 0))
    gaps = (tail.diff() > MAX_GAP).fill_null(value=False)
    first_gap = gaps.arg_true()
    last = tail[int(first_gap[0]) - 1] if len(first_gap) else ordered[-1]
    assert isinstance(last, datetime)
    return last
