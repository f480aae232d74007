"""Does the row say which zone and which interval it is about?"""

from __future__ import annotations

import numpy as np
import polars as pl

from smartgrid.quality.finding import Finding, Flags, Integers
from smartgrid.quality.reasons import Reason
from smartgrid.quality.rules import Rules


def identity_findings(frame: pl.DataFrame, time_us: Integers, rules: Rules) -> list[Finding]:
    """Check zone and time of the landing rows; `time_us` holds any number where the time is null."""
    findings = []
    zone = frame["zone"]
    # Blank names are looked for among the distinct ones: a pass over the strings costs ten of the other checks.
    blank = [name for name in zone.unique().to_list() if name is not None and not name.strip()]
    if zone.null_count() or blank:
        missing = (zone.is_null() | zone.is_in(blank)).fill_null(value=True).to_numpy()
        findings.append(Finding(Reason.ZONE_MISSING, np.flatnonzero(missing)))
    known = frame["time"].is_not_null().to_numpy() if frame["time"].null_count() else None
    if known is not None:
        unparsed = frame["raw_time"].is_not_null().to_numpy()
        findings.append(Finding(Reason.TIME_MISSING, np.flatnonzero(~known & ~unparsed)))
        rows = np.flatnonzero(~known & unparsed)
        findings.append(Finding(Reason.TIME_UNPARSEABLE, rows, value=frame["raw_time"].gather(rows).to_numpy()))
    findings.append(_off_grid(time_us, known, rules))
    late = time_us >= rules.future_from_us
    rows = np.flatnonzero(late if known is None else late & known)
    findings.append(Finding(Reason.TIME_IN_FUTURE, rows, value=_text(time_us[rows]), limit=_moment(rules)))
    return findings


def _off_grid(time_us: Integers, known: Flags | None, rules: Rules) -> Finding:
    phase = time_us % rules.interval_us
    off = phase != rules.grid_phases_us[0]
    for other in rules.grid_phases_us[1:]:
        off &= phase != other
    rows = np.flatnonzero(off if known is None else off & known)
    minutes = rules.interval_us // 60_000_000
    return Finding(Reason.TIME_NOT_ON_GRID, rows, value=_text(time_us[rows]), note=f"interval {minutes} min")


def _text(time_us: Integers) -> np.ndarray[tuple[int, ...], np.dtype[np.str_]]:
    return np.datetime_as_string(time_us.astype("datetime64[us]"), unit="s", timezone="UTC")


def _moment(rules: Rules) -> str:
    return str(_text(np.array([rules.future_from_us]))[0])
