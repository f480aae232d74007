"""Warnings: what a person should know about a batch although no row is wrong by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from smartgrid.lake import Window
from smartgrid.lake.measurements import natural_sorted
from smartgrid.settings import Limits

# Days of a step that must have arrived before it counts as staying, and days before it that it is compared with.
STEP_STAYS_DAYS = 3
STEP_BASE_DAYS = 7
# A zone is missed when it reported this recently.
RECENT = timedelta(days=7)
# Identical loads over fewer readings may be chance.
IDENTICAL_READINGS = 24
EXAMPLES = 5

Warning_ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """`accepted`: rows of this batch. `context`: rows of the lake around it. `window`: of the batch."""

    landing: pl.DataFrame
    accepted: pl.DataFrame
    context: pl.DataFrame
    lake_zones: frozenset[str]
    window: Window
    interval: timedelta
    timezone: ZoneInfo
    limits: Limits

    @property
    def known(self) -> pl.DataFrame:
        """Accepted rows together with the context that they do not replace, by zone and time."""
        older = self.context.join(self.accepted.select("zone", "time"), on=["zone", "time"], how="anti")
        return pl.concat([self.accepted, older]).sort("zone", "time")


def observe(scene: Scene) -> list[Warning_]:
    """All warnings of a batch, each `{"code", "message", ...facts}`."""
    known = scene.known
    daily = _daily(scene, known)
    return [
        *_zones(scene),
        *_incomplete_days(scene, daily),
        *_gaps(scene, known),
        *_step_changes(scene, daily),
        *_identical_series(scene),
        *_temperature_missing(scene),
        *_unordered(scene),
    ]


def _zones(scene: Scene) -> list[Warning_]:
    if not scene.lake_zones:
        return []
    present = set(scene.landing["zone"].drop_nulls().unique().to_list())
    recent = set(scene.context.filter(pl.col("time") >= scene.window.start - RECENT)["zone"].unique().to_list())
    found: list[Warning_] = []
    if gone := natural_sorted(recent - present):
        found.append(_warning("zone_disappeared", f"{len(gone)} zone(s) sent nothing: {_few(gone)}", zones=gone[:50]))
    if new := natural_sorted(set(scene.accepted["zone"].unique().to_list()) - scene.lake_zones):
        found.append(_warning("zone_appeared", f"{len(new)} zone(s) are new: {_few(new)}", zones=new[:50]))
    return found


def _daily(scene: Scene, known: pl.DataFrame) -> pl.DataFrame:
    """One row a zone and local day: readings, how many a full day has (23, 24 or 25 hours), and the mean load."""
    midnight = (
        pl.col("day")
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone(scene.timezone.key, ambiguous="earliest", non_existent="null")
    )
    next_midnight = (
        (pl.col("day") + pl.duration(days=1))
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone(scene.timezone.key, ambiguous="earliest", non_existent="null")
    )
    return (
        known.with_columns(day=pl.col("time").dt.convert_time_zone(scene.timezone.key).dt.date())
        .group_by("zone", "day")
        .agg(readings=pl.len(), mean_kw=pl.col("load_kw").mean())
        .with_columns(
            # Where clocks change at midnight the day has no midnight of its own: take 24 hours.
            day_start=midnight.dt.convert_time_zone("UTC"),
            day_end=next_midnight.dt.convert_time_zone("UTC"),
        )
        .with_columns(
            expected=_intervals((pl.col("day_end") - pl.col("day_start")).fill_null(timedelta(days=1)), scene),
        )
        .sort("zone", "day")
    )


def _incomplete_days(scene: Scene, daily: pl.DataFrame) -> list[Warning_]:
    """Days that ended inside the window; the first day of a zone may start late."""
    short = daily.filter(
        (pl.col("day_end") > scene.window.start)
        & (pl.col("day_end") <= scene.window.end)
        & (pl.col("day") > pl.col("day").min().over("zone"))
        & (pl.col("readings") < scene.limits.completeness * pl.col("expected"))
    )
    days = short.group_by("zone", maintain_order=True).agg(
        days=pl.len(),
        examples=pl.format("{}: {} of {}", "day", "readings", "expected").head(EXAMPLES),
    )
    return [
        _warning(
            "incomplete_day",
            f"{_zones_text(zones)}: {count} day(s) below {scene.limits.completeness:.0%} of their readings, "
            f"{examples[0]}",
            zones=zones,
            days=count,
            examples=examples,
        )
        for zones, count, examples in _by_facts(days)
    ]


def _gaps(scene: Scene, known: pl.DataFrame) -> list[Warning_]:
    missing = (
        known.with_columns(
            previous=pl.col("time").shift().over("zone"),
        )
        .filter(pl.col("time") - pl.col("previous") > scene.interval)
        .filter((pl.col("time") > scene.window.start) & (pl.col("previous") < scene.window.end))
        .with_columns(missing=_intervals(pl.col("time") - pl.col("previous"), scene) - 1)
        .group_by("zone", maintain_order=True)
        .agg(
            gaps=pl.len(),
            missing=pl.col("missing").sum(),
            longest=pl.col("missing").max(),
            longest_after=pl.col("previous").sort_by("missing").last(),
        )
    )
    return [
        _warning(
            "gap",
            f"{_zones_text(zones)}: {count} reading(s) missing in {gaps} gap(s), the longest after {_iso(after)}",
            zones=zones,
            gaps=gaps,
            missing=count,
            longest=longest,
            longest_after=_iso(after),
        )
        for zones, gaps, count, longest, after in _by_facts(missing)
    ]


def _step_changes(scene: Scene, daily: pl.DataFrame) -> list[Warning_]:
    """Days from which on the daily mean is another: three days all beyond the ratio to the median week before."""
    ratio = scene.limits.step_change_ratio
    stays = [pl.col("mean_kw").shift(-n) for n in range(STEP_STAYS_DAYS)]
    flagged = (
        daily.filter(pl.col("readings") * 2 >= pl.col("expected"))
        .with_columns(
            before_kw=pl.col("mean_kw").shift().rolling_median(STEP_BASE_DAYS).over("zone"),
            lowest=pl.min_horizontal(*[stay.over("zone") for stay in stays]),
            highest=pl.max_horizontal(*[stay.over("zone") for stay in stays]),
            after_kw=pl.mean_horizontal(*[stay.over("zone") for stay in stays]),
            settled=pl.col("day_end").shift(-(STEP_STAYS_DAYS - 1)).over("zone"),
        )
        .with_columns(
            step=(pl.col("before_kw") > 0)
            & pl.col("settled").is_not_null()
            & ((pl.col("lowest") > ratio * pl.col("before_kw")) | (pl.col("highest") * ratio < pl.col("before_kw")))
        )
        .filter(pl.col("step") & ~pl.col("step").shift(fill_value=False).over("zone"))
        .filter((pl.col("settled") > scene.window.start) & (pl.col("settled") <= scene.window.end))
    )
    return [
        _warning(
            "step_change",
            f"zone {zone}: daily mean went from {before:.4g} to {after:.4g} kW on {day} and stays",
            zone=zone,
            day=str(day),
            before_kw=round(before, 3),
            after_kw=round(after, 3),
            ratio=round(after / before, 2),
        )
        for zone, day, before, after in flagged.select("zone", "day", "before_kw", "after_kw").rows()
    ]


def _identical_series(scene: Scene) -> list[Warning_]:
    """Zones that read the same; said once, not again for every batch after it."""
    said = {tuple(zones) for zones, _ in _identical_zones(scene.context)}
    return [
        _warning(
            "identical_series",
            f"zones {', '.join(zones)}: {readings} readings are identical; is one meter mapped twice?",
            zones=zones,
            readings=readings,
        )
        for zones, readings in _identical_zones(scene.accepted)
        if tuple(zones) not in said
    ]


def _identical_zones(frame: pl.DataFrame) -> list[tuple[list[str], int]]:
    found = (
        frame.group_by("zone")
        .agg(
            readings=pl.len(),
            values=pl.col("load_kw").n_unique(),
            print=pl.struct("time", "load_kw").hash(seed=1).sum(),
        )
        .filter((pl.col("readings") >= IDENTICAL_READINGS) & (pl.col("values") > 1))
        .group_by("print", "readings")
        .agg(pl.col("zone"))
        .filter(pl.col("zone").list.len() > 1)
    )
    return sorted((natural_sorted(zones), readings) for zones, readings in found.select("zone", "readings").rows())


def _temperature_missing(scene: Scene) -> list[Warning_]:
    rows, missing = scene.accepted.height, scene.accepted["temperature_c"].null_count()
    never_there = missing == rows and scene.context["temperature_c"].null_count() == scene.context.height
    if not missing or never_there:
        return []
    return [
        _warning(
            "temperature_missing",
            f"{missing} of {rows} rows ({missing / rows:.1%}) have no temperature",
            rows=missing,
            share=round(missing / rows, 4),
        )
    ]


def _unordered(scene: Scene) -> list[Warning_]:
    step = scene.landing.filter(pl.col("time").is_not_null() & pl.col("zone").is_not_null()).select(
        pl.col("time").to_physical().diff().over("zone") < 0
    )
    count = step.to_series().sum()
    return [_warning("unordered_time", f"{count} row(s) arrived before an earlier one", rows=count)] if count else []


def _warning(code: str, message: str, **facts: Any) -> Warning_:
    return {"code": code, "message": message, **facts}


def _by_facts(found: pl.DataFrame) -> list[tuple[Any, ...]]:
    """One entry for all zones that say the same: an outage of the source would fill the page."""
    facts = [name for name in found.columns if name != "zone"]
    grouped = found.group_by(facts, maintain_order=True).agg(pl.col("zone"))
    return [(natural_sorted(row[-1]), *row[:-1]) for row in grouped.select(*facts, "zone").rows()]


def _zones_text(zones: list[str]) -> str:
    return f"zone {zones[0]}" if len(zones) == 1 else f"{len(zones)} zones ({_few(zones)})"


def _intervals(duration: pl.Expr, scene: Scene) -> pl.Expr:
    return duration.dt.total_seconds() // int(scene.interval.total_seconds())


def _few(names: list[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
