"""Days of a zone that do not fit: DBSCAN of its days against what was usual, explained in hours and kW."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.mining.daily_loads import HOURS, DailyLoads, usual
from smartgrid.mining.density import dbscan
from smartgrid.mining.errors import NoClusterFound
from smartgrid.mining.limits import MiningLimits
from smartgrid.mining.matrix import Matrix
from smartgrid.mining.results import DbscanResult
from smartgrid.mining.shapes import BRIDGED_HOURS

_Floats = npt.NDArray[np.float64]

MIN_SAMPLES = 10
# A zone with fewer days has no density to speak of.
FEWEST_DAYS = 3 * MIN_SAMPLES
# Hours that differ by less than this share of the usual load of the day explain nothing.
MATERIAL_SHARE = 0.1
# So many stretches of hours explain one day.
STRETCHES = 3


@dataclass(frozen=True)
class Stretch:
    """Hours `begin` .. `end` (not in) of a day on one side of the usual load; kW are means over the stretch."""

    begin: int
    end: int
    measured_kw: float
    usual_kw: float

    @property
    def difference_kw(self) -> float:
        return self.measured_kw - self.usual_kw

    @property
    def percent(self) -> float:
        return 100 * self.difference_kw / self.usual_kw

    @property
    def direction(self) -> str:
        return "above" if self.difference_kw > 0 else "below"

    def __str__(self) -> str:
        sign = "+" if self.difference_kw > 0 else "\N{MINUS SIGN}"
        return (
            f"{self.begin:02d}-{self.end:02d} h {self.direction} usual by {abs(self.difference_kw):,.0f} kW "
            f"({sign}{abs(self.percent):.0f} %)"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "begin_hour": self.begin,
            "end_hour": self.end,
            "direction": self.direction,
            "measured_kw": round(self.measured_kw, 1),
            "usual_kw": round(self.usual_kw, 1),
            "difference_kw": round(self.difference_kw, 1),
            "difference_percent": round(self.percent, 1),
        }


@dataclass(frozen=True)
class OddDay:
    """`distance`: root mean square difference from the usual day, share of its mean load. `group`: days of the zone
    that are odd in the same way have the same number; -1 is alone."""

    zone: str
    day: date
    distance: float
    group: int
    stretches: tuple[Stretch, ...]
    load_kw: tuple[float, ...]
    usual_kw: tuple[float, ...]

    @property
    def text(self) -> str:
        return "; ".join(map(str, self.stretches)) or "differs in its shape, no hour by much"


@dataclass(frozen=True)
class ZoneDensity:
    """How the days of one zone were judged: rows, eps (share of the usual load), days that are noise."""

    zone: str
    days: int
    eps: float
    odd: int
    why_not: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"zone": self.zone, "days": self.days, "eps": self.eps, "odd": self.odd, "why_not": self.why_not}


@dataclass(frozen=True)
class OddDays:
    """Newest day last. `judged` has the zone-days (zone, day) that could be judged."""

    odd: tuple[OddDay, ...]
    zones: tuple[ZoneDensity, ...]
    judged: frozenset[tuple[str, date]]


def find_odd_days(
    loads: DailyLoads,
    *,
    min_samples: int = MIN_SAMPLES,
    seed: int = 0,
    limits: MiningLimits | None = None,
) -> OddDays:
    """DBSCAN of each zone's days among themselves; eps is the knee of that zone's distances.

    A row is the day's difference from the median of the same kind of day in the four weeks before, hour by hour,
    divided by that median's mean. Zones are judged apart: a works feeder that jumps every day would otherwise be an
    outlier every day, and set the eps of the calm ones. A cluster that is away from the usual load is odd as a whole: a
    new level is many days that resemble each other. Always local: the days of one zone are few.
    """
    values, _ = loads.bridged(BRIDGED_HOURS)
    expected = usual(loads, values)
    window = slice(loads.history_days, None)
    values, expected = values[:, window], expected[:, window]
    found: list[OddDay] = []
    zones: list[ZoneDensity] = []
    judged: set[tuple[str, date]] = set()
    for place, zone in enumerate(loads.zones):
        level = expected[place].mean(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = (values[place] - expected[place]) / level[:, None]
        days = np.flatnonzero(np.isfinite(relative).all(axis=1))
        dates = [loads.date(loads.history_days + day) for day in days.tolist()]
        if len(days) < max(FEWEST_DAYS, 3 * min_samples):
            zones.append(ZoneDensity(zone, len(days), 0.0, 0, f"{len(days)} days that can be judged are too few"))
            continue
        rows = Matrix(relative[days], tuple(f"{hour:02d}h" for hour in range(HOURS)))
        try:
            result = dbscan(rows, min_samples=min_samples, constant_columns="keep", seed=seed, limits=limits)
        except NoClusterFound as alike:
            zones.append(ZoneDensity(zone, len(days), 0.0, 0, alike.why))
            continue
        judged |= {(zone, of) for of in dates}
        usual_clusters = _usual_clusters(result)
        odd = [row for row, label in enumerate(result.labels.tolist()) if label not in usual_clusters]
        for row in odd:
            day = int(days[row])
            found.append(
                OddDay(
                    zone,
                    dates[row],
                    float(np.sqrt((relative[day] ** 2).mean())),
                    int(result.labels[row]),
                    stretches(values[place, day], expected[place, day]),
                    tuple(values[place, day].tolist()),
                    tuple(expected[place, day].tolist()),
                )
            )
        zones.append(ZoneDensity(zone, len(days), float(result.eps), len(odd)))
    return OddDays(tuple(sorted(found, key=lambda one: (one.day, -one.distance))), tuple(zones), frozenset(judged))


def _usual_clusters(result: DbscanResult) -> set[int]:
    """The largest cluster, and those whose mean differs from the usual load (zero) by less than MATERIAL_SHARE."""
    if not result.clusters:
        return set()
    away = np.sqrt((result.profiles**2).mean(axis=1))
    return {int(result.sizes.argmax()), *np.flatnonzero(away < MATERIAL_SHARE).tolist()}


def stretches(load_kw: _Floats, usual_kw: _Floats) -> tuple[Stretch, ...]:
    """The up to STRETCHES runs of hours on one side of the usual load with the most energy, in the order of the day.

    >>> [str(one) for one in stretches(np.array([10.0] * 20 + [16.0] * 4), np.array([10.0] * 24))]
    ['20-24 h above usual by 6 kW (+60 %)']
    """
    difference = load_kw - usual_kw
    side = np.where(np.abs(difference) < MATERIAL_SHARE * usual_kw.mean(), 0, np.sign(difference)).astype(int)
    runs: list[Stretch] = []
    begin = 0
    for hour in range(1, HOURS + 1):
        if hour < HOURS and side[hour] == side[begin]:
            continue
        if side[begin]:
            runs.append(Stretch(begin, hour, float(load_kw[begin:hour].mean()), float(usual_kw[begin:hour].mean())))
        begin = hour
    largest = sorted(runs, key=lambda run: -abs(run.difference_kw) * (run.end - run.begin))[:STRETCHES]
    return tuple(sorted(largest, key=lambda run: run.begin))
