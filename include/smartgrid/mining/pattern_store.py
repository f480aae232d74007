"""Load patterns in the store: one transaction writes the run, what changed, and the event that says so."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import numpy as np
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from smartgrid.clock import wall_clock
from smartgrid.mining import compare
from smartgrid.mining.run_folder import RunFile
from smartgrid.mining.shapes import shape_name
from smartgrid.mining.shapes_file import ShapesFile
from smartgrid.store.events import Event, record_event
from smartgrid.store.mining_tables import (
    MiningAssignment,
    MiningCluster,
    MiningItemset,
    MiningOutlier,
    MiningRule,
    MiningRun,
    MiningZone,
)

Json = dict[str, Any]
KIND = "load_patterns"
# Days that most zones find odd are the weather's or the calendar's.
COMMON_SHARE = 0.5


def previous_run(session: Session, run: RunFile) -> MiningRun | None:
    """The newest comparable run whose window ends before this one's."""
    return session.scalars(
        select(MiningRun)
        .where(
            MiningRun.kind == run.kind,
            MiningRun.series == run.series,
            MiningRun.window_end < run.dataset.window.end,
        )
        .order_by(MiningRun.window_end.desc(), MiningRun.created_at.desc())
        .limit(1)
    ).first()


def replace_run(session: Session, run: RunFile, previous: MiningRun | None, summary: Json, changes: Json) -> bool:
    """Write the row of the run, without the results of an earlier attempt; say whether the run is new."""
    known = session.get(MiningRun, run.run_id)
    for table in (MiningCluster, MiningZone, MiningAssignment, MiningOutlier, MiningItemset, MiningRule):
        session.execute(delete(table).where(table.run_id == run.run_id))
    row = known or MiningRun(run_id=run.run_id, created_at=wall_clock())
    row.kind, row.series = run.kind, run.series
    row.window_start, row.window_end = run.dataset.window.start, run.dataset.window.end
    row.data_uri, row.data_sha256, row.data_rows = run.dataset.uri, run.dataset.sha256, run.dataset.rows
    row.parameters, row.summary, row.changes = run.parameters, summary, changes
    row.previous_run_id = previous.run_id if previous else None
    session.add(row)
    # Its rows refer to it.
    session.flush()
    return known is None


def forget_old_runs(session: Session, kind: str, keep: int) -> list[str]:
    """Delete all but the newest `keep` runs of a kind, with their results; return the names of the deleted."""
    newest = select(MiningRun.run_id).where(MiningRun.kind == kind).order_by(MiningRun.created_at.desc())
    old = list(session.scalars(newest))[keep:]
    for table in (MiningCluster, MiningZone, MiningAssignment, MiningOutlier, MiningItemset, MiningRule, MiningRun):
        session.execute(delete(table).where(table.run_id.in_(old)))
    return old


def store_patterns(
    session: Session, run: RunFile, shapes: ShapesFile, odd: Json, *, recent_days: int, odd_zone_days: int, keep: int
) -> Json:
    """Store clusters, zones, assignments and odd days; return {"letters", "zones", "changes", "forgotten"}."""
    previous = previous_run(session, run)
    before = _before(session, previous)
    names, matched = compare.align(before["shapes"], np.array(shapes.shape))
    recent, whole = shapes.shares(recent_days), shapes.shares()
    clusters = compare.zone_clusters(shapes.zones, names, recent, before["zones"])
    shares, all_shares = _by_name(shapes, recent, names), _by_name(shapes, whole, names)
    moved = compare.moves(before["zones"], clusters, shares, all_shares)
    changes = {
        "compared_with": previous.run_id if previous else None,
        "moved": [move.as_json() for move in moved],
        "new_clusters": [name for name, known in zip(names, matched, strict=True) if not known] if previous else [],
        "gone_clusters": [name for name in before["shapes"] if name not in names],
        **odd_changes(odd["odd"], shapes, previous, run, odd_zone_days),
    }
    summary = {
        "k": shapes.k,
        "k_chosen": shapes.chosen,
        "k_kept": shapes.kept,
        "silhouette": shapes.silhouette,
        "stability": shapes.stability,
        "curve": shapes.curve,
        "engine": shapes.parameters.get("engine"),
        "zone_days": len(shapes.label),
        "bridged_days": shapes.bridged,
        "left_out": [[zone, str(shapes.date_of(day))] for zone, day in shapes.excluded],
        "odd_days": len(odd["odd"]),
        "judged_days": odd["judged"],
        "density": odd["zones"],
        "same_readings": shapes.same_as,
        "recent_days": recent_days,
    }
    new = replace_run(session, run, previous, summary, changes)
    _add_results(session, run.run_id, shapes, odd, names, matched, clusters, shares, all_shares)
    if new and (event := pattern_event(run, changes)):
        record_event(session, event)
    old = forget_old_runs(session, KIND, keep)
    return {"letters": names, "zones": clusters, "changes": changes, "forgotten": old}


def _by_name(shapes: ShapesFile, shares: Any, names: list[str]) -> dict[str, dict[str, float]]:
    """Shares (zones, k) by zone and letter."""
    return {
        zone: {name: round(float(shares[place, cluster]), 4) for cluster, name in enumerate(names)}
        for place, zone in enumerate(shapes.zones)
    }


def odd_changes(
    odd: list[Json], shapes: ShapesFile, previous: MiningRun | None, run: RunFile, odd_zone_days: int
) -> Json:
    """Odd days that the previous window did not have (without one: of the last week), by zone and by day."""
    since = run.last - timedelta(days=6)
    if previous is not None:
        new_days = (run.dataset.window.end - previous.window_end).days
        since = run.last - timedelta(days=max(1, new_days) - 1)
    counted = [one for one in odd if date.fromisoformat(one["day"]) >= since and one["zone"] not in shapes.same_as]
    by_day = Counter(one["day"] for one in counted)
    zones = len(shapes.zones) - len(shapes.same_as)
    common = sorted(day for day, count in by_day.items() if zones > 2 and count >= COMMON_SHARE * zones)
    alone = Counter(one["zone"] for one in counted if one["day"] not in common)
    return {
        "odd_since": str(since),
        "new_odd_days": len(counted),
        "odd_zones": {zone: days for zone, days in alone.most_common() if days >= odd_zone_days},
        "common_odd_days": {day: by_day[day] for day in common},
    }


def pattern_event(run: RunFile, changes: Json) -> Event | None:
    """What people should hear of: zones that changed cluster by themselves, zones odd for most of a week."""
    alone = [move for move in changes["moved"] if not move["common"]]
    odd = changes["odd_zones"]
    if not alone and not odd:
        return None
    lines = [f"{move['zone']} went from load pattern {move['from']} to {move['to']}." for move in alone]
    lines += [f"{zone} had {days} odd days since {changes['odd_since']}." for zone, days in odd.items()]
    zones = tuple(dict.fromkeys([*(move["zone"] for move in alone), *odd]))
    shown = ", ".join(zones[:4]) + (f" and {len(zones) - 4} more" if len(zones) > 4 else "")
    return Event(
        kind="load_patterns_changed",
        severity="medium",
        subject=f"Load pattern of {shown} changed",
        text="\n".join([*lines, f"Run {run.run_id}: the page Load patterns has the hours and kW of each odd day."]),
        zones=zones,
        dedupe_key=f"load_patterns:{run.series}:{run.last}",
        run=run.run_id,
        link="/smartgrid/patterns",
        data={"moved": alone, "odd_zones": odd},
    )


def _before(session: Session, previous: MiningRun | None) -> Json:
    if previous is None:
        return {"shapes": {}, "zones": {}}
    clusters = session.scalars(
        select(MiningCluster).where(MiningCluster.run_id == previous.run_id).order_by(MiningCluster.cluster)
    )
    zones = session.scalars(select(MiningZone).where(MiningZone.run_id == previous.run_id))
    return {
        "shapes": {one.cluster: np.array(one.shape) for one in clusters},
        "zones": {one.zone: one.cluster for one in zones if one.cluster},
    }


def _add_results(
    session: Session,
    run_id: str,
    shapes: ShapesFile,
    odd: Json,
    names: list[str],
    matched: list[bool],
    clusters: dict[str, str | None],
    shares: dict[str, dict[str, float]],
    all_shares: dict[str, dict[str, float]],
) -> None:
    sizes = shapes.sizes()
    session.add_all(
        MiningCluster(
            run_id=run_id,
            cluster=name,
            name=shape_name(shapes.shape[place]),
            size=sizes[place],
            matched=matched[place],
            shape=shapes.shape[place],
            shape_low=shapes.shape_low[place],
            shape_high=shapes.shape_high[place],
            centroid_kw=shapes.centroid_kw[place],
        )
        for place, name in enumerate(names)
    )
    eps = {one["zone"]: one["eps"] for one in odd["zones"]}
    session.add_all(
        MiningZone(
            run_id=run_id,
            zone=zone,
            cluster=clusters[zone],
            recent_shares=shares[zone],
            shares=all_shares[zone],
            same_as=shapes.same_as.get(zone),
            eps=eps.get(zone, 0.0),
        )
        for zone in shapes.zones
    )
    assigned = [
        {"run_id": run_id, "zone": shapes.zones[zone], "day": shapes.date_of(day), "cluster": names[label]}
        for zone, day, label in zip(shapes.zone, shapes.day, shapes.label, strict=True)
    ]
    session.execute(insert(MiningAssignment), assigned)
    session.add_all(
        MiningOutlier(
            run_id=run_id,
            zone=one["zone"],
            day=date.fromisoformat(one["day"]),
            distance=one["distance"],
            text=one["text"],
            causes=one["causes"],
            load_kw=one["load_kw"],
            usual_kw=one["usual_kw"],
        )
        for one in odd["odd"]
    )
