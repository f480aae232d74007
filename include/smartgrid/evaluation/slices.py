"""Scores of parts of the judged window: zones, seasons, kinds of day, hours, and the hottest and coldest days.

A slice has a name such as `zone:Z10` or `day:holiday`. All but the zones are slices of the system total.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.evaluation.backtest import SYSTEM, system_total
from smartgrid.evaluation.metrics import score
from smartgrid.features.calendar import days_and_slots, holiday_days, to_date

Mask = npt.NDArray[np.bool_]

WHOLE = "system"
# Peak as traded on the European power exchange EPEX SPOT: Monday to Friday, 8 to 20 o'clock local time.
PEAK_HOURS = (8, 20)
# Months instead of names: winter is somewhere else in the southern half.
SEASONS = {"dec-feb": (12, 1, 2), "mar-may": (3, 4, 5), "jun-aug": (6, 7, 8), "sep-nov": (9, 10, 11)}
EXTREME_SHARE = 0.1
MIN_DAYS_FOR_EXTREMES = 10  # a tenth of fewer days is no day


@dataclass(frozen=True, slots=True)
class DayKinds:
    """What makes a local day special: the calendar of holidays, and the days (since 1970-01-01) of extreme weather."""

    timezone: str
    holidays: str | None
    hottest: frozenset[int] = frozenset()
    coldest: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls, measurements: pl.DataFrame, start: datetime, end: datetime, timezone: str, holidays: str | None
    ) -> DayKinds:
        """The hottest and coldest tenth of the days in [start, end) by the mean temperature of all zones."""
        daily = (
            measurements.filter(
                pl.col("time").is_between(start.astimezone(UTC), end.astimezone(UTC), closed="left")
                & pl.col("temperature_c").is_finite()
            )
            .group_by(pl.col("time").dt.convert_time_zone(timezone).dt.date().alias("day"))
            .agg(pl.col("temperature_c").mean())
            .sort("temperature_c", "day")
        )
        days = daily["day"].cast(pl.Int32).to_list()
        count = round(EXTREME_SHARE * len(days)) if len(days) >= MIN_DAYS_FOR_EXTREMES else 0
        return cls(timezone, holidays, frozenset(days[len(days) - count :]), frozenset(days[:count]))


def slice_scores(table: pl.DataFrame, kinds: DayKinds, scales: dict[str, float]) -> list[dict[str, Any]]:
    """Scores of every slice that has rows: `slice`, `days`, `rows` and the metrics of evaluation.metrics.Scores.

    Args:
        table: a backtest of all zones.
        scales: of MASE, in kW by zone and for `SYSTEM`.
    """
    total = system_total(table)
    parts = [(name, total.filter(pl.Series(mask)), SYSTEM) for name, mask in _masks(total, kinds)]
    parts += [(f"zone:{zone}", part, str(zone)) for (zone,), part in table.group_by("zone", maintain_order=True)]
    rows = []
    for name, part, scaled_by in parts:
        found = score(part["actual_kw"].to_numpy(), part["predicted_kw"].to_numpy(), scales.get(scaled_by))
        if found.rows:
            rows.append({"slice": name, "days": part["issue_time"].n_unique(), **found.as_dict()})
    return rows


def _masks(total: pl.DataFrame, kinds: DayKinds) -> Iterator[tuple[str, Mask]]:
    """Name and rows of every slice of the system total."""
    yield WHOLE, np.ones(total.height, dtype=np.bool_)
    if total.is_empty():
        return
    day, minute = days_and_slots(total["target_time"], kinds.timezone, 1)
    month = total["target_time"].dt.convert_time_zone(kinds.timezone).dt.month().to_numpy()
    for name, months in SEASONS.items():
        yield f"season:{name}", np.isin(month, months)
    off = holiday_days(kinds.holidays, to_date(int(day.min())).year, to_date(int(day.max())).year)
    holiday = np.isin(day, list(off)) if off else np.zeros(len(day), dtype=np.bool_)
    weekend = (day + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    yield "day:weekday", ~weekend & ~holiday
    yield "day:weekend", weekend & ~holiday
    yield "day:holiday", holiday
    peak = ~weekend & ~holiday & (minute >= PEAK_HOURS[0] * 60) & (minute < PEAK_HOURS[1] * 60)
    yield "hours:peak", peak
    yield "hours:off-peak", ~peak
    yield "temperature:hottest", np.isin(day, list(kinds.hottest))
    yield "temperature:coldest", np.isin(day, list(kinds.coldest))
