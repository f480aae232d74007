"""The page Load patterns and its API: what the newest mining runs left in the store and in their folders."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, FastAPI, Query
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, HTMLResponse
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from smartgrid.api.ui import mining_models as models
from smartgrid.api.ui.document import PATTERNS, document
from smartgrid.api.ui.errors import NoSuchRun
from smartgrid.lake.measurements import natural_sorted
from smartgrid.mining.change_texts import changes_text, rule_changes_text
from smartgrid.settings import Settings, get_settings
from smartgrid.store import session
from smartgrid.store.engine import engine
from smartgrid.store.mining_tables import MiningCluster, MiningOutlier, MiningRule, MiningRun, MiningZone

# No dots or slashes: the name becomes a folder.
_NAME = r"^[A-Za-z0-9_-]{1,80}$"
RunId = Annotated[str, PathParameter(pattern=_NAME, description="a mining run")]
Picture = Annotated[str, PathParameter(pattern=r"^[a-z_]{1,40}$", description="name of a picture without .png")]
AskedRun = Annotated[str | None, Query(pattern=_NAME, description="a run; the newest without it")]
RUNS_LISTED = 30

api = APIRouter(prefix="/api/v1/mining", tags=["mining"])
page = APIRouter(include_in_schema=False)


def add_mining(app: FastAPI) -> None:
    app.include_router(api)
    app.include_router(page)


@page.get("/patterns")
def patterns_page() -> HTMLResponse:
    """The page. Role: viewer."""
    return document(PATTERNS)


@api.get("/patterns")
def patterns(run: AskedRun = None) -> models.Patterns:
    """Clusters, zones and odd days of a run of mine_load_patterns. Role: viewer."""
    settings = get_settings()
    with session() as open_session:
        found = _run(open_session, "load_patterns", run)
        if found is None:
            return models.Patterns()
        clusters = open_session.scalars(
            select(MiningCluster).where(MiningCluster.run_id == found.run_id).order_by(MiningCluster.cluster)
        ).all()
        zones = {
            one.zone: one for one in open_session.scalars(select(MiningZone).where(MiningZone.run_id == found.run_id))
        }
        odd = open_session.scalars(
            select(MiningOutlier)
            .where(MiningOutlier.run_id == found.run_id)
            .order_by(MiningOutlier.day, MiningOutlier.zone)
        ).all()
        return models.Patterns(
            run=_meta(found, settings, changes_text(found.changes)),
            runs=_runs(open_session, "load_patterns", settings),
            clusters=[models.Cluster.model_validate(one, from_attributes=True) for one in clusters],
            zones=[
                models.ZonePattern.model_validate(zones[zone], from_attributes=True) for zone in natural_sorted(zones)
            ],
            odd_days=[
                models.OddDay(
                    zone=one.zone,
                    day=one.day,
                    distance=one.distance,
                    more=sum(one.load_kw) >= sum(one.usual_kw),
                    text=one.text,
                )
                for one in odd
            ],
        )


@api.get("/patterns/{run_id}/days/{zone}/{day}")
def odd_day(
    run_id: RunId, zone: Annotated[str, PathParameter(min_length=1, max_length=128)], day: dt.date
) -> models.OddDayHours:
    """Measured and usual load of one odd day, hour by hour. Role: viewer."""
    with session() as open_session:
        found = open_session.get(MiningOutlier, (run_id, zone, day)) if _has_tables() else None
    if found is None:
        raise NoSuchRun(run_id, f"odd day {zone} {day}")
    return models.OddDayHours.model_validate(found, from_attributes=True)


@api.get("/rules")
def rules(run: AskedRun = None) -> models.EventRules:
    """Rules of a run of mine_event_rules. Role: viewer."""
    settings = get_settings()
    with session() as open_session:
        found = _run(open_session, "event_rules", run)
        if found is None:
            return models.EventRules()
        rows = open_session.scalars(
            select(MiningRule).where(MiningRule.run_id == found.run_id).order_by(MiningRule.number)
        ).all()
        words: dict[str, Any] = found.parameters.get("vocabulary", {}).get("events", {})
        return models.EventRules(
            run=_meta(found, settings, rule_changes_text(found.changes)),
            runs=_runs(open_session, "event_rules", settings),
            rules=[models.EventRule.model_validate(one, from_attributes=True) for one in rows],
            meanings={name: str(word["meaning"]) for name, word in words.items()},
        )


@api.get("/{run_id}/pictures/{name}", response_class=FileResponse)
def picture(run_id: RunId, name: Picture) -> FileResponse:
    """One picture of a run as PNG. Role: viewer."""
    return FileResponse(_file(run_id, Path("plots") / f"{name}.png"), media_type="image/png")


@api.get("/{run_id}/report", response_class=FileResponse)
def report(run_id: RunId) -> FileResponse:
    """The report of a run as Markdown. Role: viewer."""
    path = _file(run_id, Path("report.md"))
    return FileResponse(path, media_type="text/markdown; charset=utf-8", filename=f"{run_id}.md")


def _has_tables() -> bool:
    return bool(inspect(engine()).has_table(MiningRun.__tablename__))


def _run(open_session: Session, kind: str, run_id: str | None) -> MiningRun | None:
    """The run of this name, else the newest of the kind; None where there is none yet."""
    if run_id is not None:
        found = open_session.get(MiningRun, run_id) if _has_tables() else None
        if found is None or found.kind != kind:
            raise NoSuchRun(run_id, kind.replace("_", " "))
        return found
    if not _has_tables():
        return None
    newest = select(MiningRun).where(MiningRun.kind == kind)
    return open_session.scalars(newest.order_by(MiningRun.window_end.desc(), MiningRun.created_at.desc())).first()


def _runs(open_session: Session, kind: str, settings: Settings) -> list[models.RunName]:
    rows = open_session.scalars(
        select(MiningRun)
        .where(MiningRun.kind == kind)
        .order_by(MiningRun.window_end.desc(), MiningRun.created_at.desc())
        .limit(RUNS_LISTED)
    )
    return [
        models.RunName(
            run_id=one.run_id,
            first_day=_first_day(one, settings.grid_timezone),
            last_day=_last_day(one, settings.grid_timezone),
            series=one.series,
        )
        for one in rows
    ]


def _meta(run: MiningRun, settings: Settings, text: list[str]) -> models.MinedRun:
    folder = settings.home / "mining" / run.run_id
    zone = settings.grid_timezone
    return models.MinedRun(
        run_id=run.run_id,
        kind=run.kind,
        created_at=run.created_at,
        first_day=_first_day(run, zone),
        last_day=_last_day(run, zone),
        timezone=str(zone),
        data_sha256=run.data_sha256,
        data_rows=run.data_rows,
        parameters={name: value for name, value in run.parameters.items() if name != "vocabulary"},
        summary=run.summary,
        changes=run.changes,
        changes_text=[line.replace("**", "").replace("`", "") for line in text],
        has_report=(folder / "report.md").is_file(),
        pictures=sorted(path.stem for path in (folder / "plots").glob("*.png")),
    )


def _first_day(run: MiningRun, zone: ZoneInfo) -> dt.date:
    return run.window_start.astimezone(zone).date()


def _last_day(run: MiningRun, zone: ZoneInfo) -> dt.date:
    return (run.window_end - dt.timedelta(microseconds=1)).astimezone(zone).date()


def _file(run_id: str, name: Path) -> Path:
    path = get_settings().home / "mining" / run_id / name
    if not path.is_file():
        raise NoSuchRun(run_id, name.name)
    return path
