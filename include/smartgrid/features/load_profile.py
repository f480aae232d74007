"""What the load of each slot would be if the last days went on: the recent course of the day plus the weekday's own.

A weekday's deviation from the week around it is averaged over nine weeks, the course of the day over the last seven
days without those deviations; both with weights that fade. A seasonal decomposition with exponential smoothing does
the same with more arithmetic (compare Bandara, Hyndman and Bergmeir, "MSTL", 2021).
"""

from __future__ import annotations

import numpy as np

from smartgrid.features.daily_grid import Floats

WEEKS, DAYS = 8, 7  # weeks before the newest one; days
FADE = 0.8  # from week to week, and from day to day
REACH_DAYS = 7 * WEEKS + 10 + 3  # how far back a profile looks


def load_profile(known: Floats, first: int, last: int) -> Floats:
    """Profile of the days `first` .. `last` (both inside) of `known` (days, slots), each from the days before it only.

    Where no weekday's deviation is known yet, the day a week before; NaN where that is missing too.
    """
    start = max(0, first - REACH_DAYS)
    loads = known[start : last + 1]
    deviation = np.full_like(loads, np.nan)
    if len(loads) > 6:
        weeks = sum(loads[offset : len(loads) - 6 + offset] for offset in range(7)) / 7
        deviation[3:-3] = loads[3:-3] - weeks
    weekday = _faded_mean([(_shifted(deviation, 7 * week), FADE**week) for week in range(WEEKS + 1)])
    # The newest deviation that the day before the profile completes lies four days back.
    effects = [_shifted(weekday, back if back >= 4 else back + 7) for back in range(DAYS + 1)]
    course = _faded_mean([(_shifted(loads, back) - effects[back], FADE ** (back - 1)) for back in range(1, DAYS + 1)])
    profile = course + effects[0]
    profile = np.where(np.isfinite(profile), profile, _shifted(loads, 7))
    found: Floats = profile[first - start :]
    return found


def _shifted(values: Floats, days: int) -> Floats:
    """Each day gets the values of `days` before."""
    moved = np.full_like(values, np.nan)
    if days < len(values):
        moved[days:] = values[: len(values) - days]
    return moved


def _faded_mean(parts: list[tuple[Floats, float]]) -> Floats:
    """Weighted mean of what is there."""
    total, weights = np.zeros_like(parts[0][0]), np.zeros_like(parts[0][0])
    for values, weight in parts:
        there = np.isfinite(values)
        total += np.where(there, values, 0.0) * weight
        weights += there * weight
    with np.errstate(invalid="ignore"):
        mean: Floats = total / np.where(weights > 0, weights, np.nan)
    return mean
