"""The steps of `mine_load_patterns` and `mine_event_rules`. Each may be repeated: it replaces its own results."""

from __future__ import annotations

import io
import shutil
from typing import Any

import polars as pl

from smartgrid import clock
from smartgrid.errors import NothingToDo
from smartgrid.lake.files import write_bytes
from smartgrid.mining.daily_loads import same_readings
from smartgrid.mining.event_rules import find_rules
from smartgrid.mining.events import derive_events, join_events
from smartgrid.mining.events_vocabulary import load_vocabulary
from smartgrid.mining.odd_days import MIN_SAMPLES, find_odd_days
from smartgrid.mining.outage_log import read_outage_log
from smartgrid.mining.pattern_store import KIND as PATTERNS
from smartgrid.mining.pattern_store import previous_run, store_patterns
from smartgrid.mining.records import read_records
from smartgrid.mining.reports import pattern_note, pattern_report, rule_note, rule_report
from smartgrid.mining.rule_store import KIND as RULES
from smartgrid.mining.rule_store import store_rules
from smartgrid.mining.run_folder import (
    PICTURES,
    REPORT_FILE,
    RunFile,
    folder,
    load_loads,
    load_run,
    prepare,
    read_json,
    read_loads,
    window_of,
    write_json,
)
from smartgrid.mining.shapes import K_RANGE, find_shapes
from smartgrid.mining.shapes_file import ShapesFile, shapes_file
from smartgrid.mining.transactions import Place, build_transactions
from smartgrid.settings import Settings, get_settings
from smartgrid.store import migrate, session

Json = dict[str, Any]
EVENTS_FILE, SHAPES_FILE, ODD_FILE, RULES_FILE = "events.parquet", "shapes.json", "odd_days.json", "rules.json"


def prepare_patterns(days: int | None = None, end: str | None = None, k: int | None = None) -> Json:
    """Fix window and data of a run of load patterns: `days` local days before `end` (default: data time).

    k: number of clusters; None: chosen by silhouette and stability. Returns {"run_id", "dataset", ...}.

    Raises:
        NothingToDo: no measurements in the window.
    """
    settings = _settings()
    days = days or settings.mining.days
    window, first, last = window_of(settings, days, end)
    inside, loads = read_loads(settings, window, first, last)
    asked: Json = {"days": days, "k": k, "k_range": list(K_RANGE), "min_samples": MIN_SAMPLES}
    asked |= {"recent_days": settings.mining.recent_days, "scaler": "row-mean"}
    series = f"days={days} k={k or 'chosen'}"
    run = prepare(PATTERNS, "patterns", settings, loads, window, first, last, inside.height, asked, series)
    return _prepared(run, zones=len(loads.zones))


def cluster_days(run_id: str) -> Json:
    """K-Means of the daily load shapes of a prepared run."""
    run = load_run(run_id)
    loads = load_loads(run)
    with session() as transaction:
        previous = previous_run(transaction, run)
        k_before = previous.summary["k"] if previous else None
    shapes = find_shapes(loads, k=run.parameters["k"], k_before=k_before)
    found = shapes_file(shapes, same_readings(loads))
    write_json(run, SHAPES_FILE, found.model_dump(mode="json"))
    return {
        "run_id": run_id,
        "k": found.k,
        "silhouette": found.silhouette,
        "stability": found.stability,
        "sizes": found.sizes(),
        "left_out": len(found.excluded),
    }


def find_outliers(run_id: str) -> Json:
    """DBSCAN of each zone's days of a prepared run, each odd day explained."""
    run = load_run(run_id)
    found = find_odd_days(load_loads(run), min_samples=run.parameters["min_samples"])
    odd = [
        {
            "zone": one.zone,
            "day": str(one.day),
            "distance": round(one.distance, 4),
            "group": one.group,
            "text": one.text,
            "causes": [stretch.as_json() for stretch in one.stretches],
            "load_kw": [round(value, 1) for value in one.load_kw],
            "usual_kw": [round(value, 1) for value in one.usual_kw],
        }
        for one in found.odd
    ]
    write_json(
        run, ODD_FILE, {"odd": odd, "zones": [one.as_json() for one in found.zones], "judged": len(found.judged)}
    )
    newest = [f"{one.zone} {one.day}: {one.text}" for one in found.odd[-5:]]
    return {"run_id": run_id, "odd_days": len(odd), "judged_days": len(found.judged), "newest": newest}


def conclude_patterns(run_id: str) -> Json:
    """Compare with the run before, store, draw, report. Returns {"run_id", "note", "changes", "dataset", ...}."""
    settings = _settings()
    run = load_run(run_id)
    shapes = ShapesFile.model_validate(read_json(run, SHAPES_FILE))
    odd = read_json(run, ODD_FILE)
    limits = settings.mining
    with session() as transaction:
        stored = store_patterns(
            transaction,
            run,
            shapes,
            odd,
            recent_days=run.parameters["recent_days"],
            odd_zone_days=limits.odd_zone_days,
            keep=limits.keep_runs,
        )
    _forget(stored["forgotten"])
    write_json(run, "changes.json", stored)
    from smartgrid.mining.pictures_patterns import draw_patterns

    pictures = draw_patterns(run.folder / PICTURES, shapes, odd, stored["letters"], run)
    text = pattern_report(run, shapes, odd, stored, [path.name for path in pictures])
    write_bytes(str(run.folder / REPORT_FILE), text.encode())
    moved = [move for move in stored["changes"]["moved"] if not move["common"]]
    return _concluded(run, pattern_note(run, shapes, odd, stored)) | {
        "k": shapes.k,
        "odd_days": len(odd["odd"]),
        "moved_zones": [move["zone"] for move in moved][:20],
        "compared_with": stored["changes"]["compared_with"],
    }


def prepare_events(
    days: int | None = None, end: str | None = None, place: Place = "zone", window_hours: int = 24
) -> Json:
    """Fix window, data and events of a run of event rules: derived from measurements, and of the outage log.

    place: "zone" (a transaction is a zone in a window of `window_hours`) or "grid" (items are `event @ zone`).
    """
    settings = _settings()
    days = days or settings.mining.days
    window, first, last = window_of(settings, days, end)
    inside, loads = read_loads(settings, window, first, last)
    vocabulary = load_vocabulary(settings.mining.vocabulary_file)
    events = derive_events(loads, read_records(settings, window, inside), vocabulary, str(settings.grid_timezone))
    rejected: dict[str, int] = {}
    if settings.mining.outage_log.path is not None:
        log = read_outage_log(settings.mining.outage_log, str(settings.grid_timezone))
        rejected = log.reasons
        told = log.events.filter((pl.col("end") > window.start) & (pl.col("start") < window.end))
        # Only zones of the grid: an outage elsewhere would be a transaction without measurements.
        events = join_events(events, told.filter(pl.col("place").is_in(["", *loads.zones])))
    limits = settings.mining
    asked: Json = {"days": days, "place": place, "window_hours": window_hours, "min_support": limits.min_support}
    asked |= {"min_confidence": limits.min_confidence, "max_q_value": limits.max_q_value}
    asked |= {"min_days": limits.min_rule_days, "same_readings": same_readings(loads)}
    asked |= {"vocabulary": vocabulary.model_dump(mode="json")}
    buffer = io.BytesIO()
    events.write_parquet(buffer)
    series = f"days={days} place={place} window_hours={window_hours}"
    run = prepare(
        RULES, "rules", settings, loads, window, first, last, inside.height, asked, series,
        more=events.write_csv().encode(),
    )  # fmt: skip
    write_bytes(str(run.folder / EVENTS_FILE), buffer.getvalue())
    counts = events["event"].value_counts(sort=True).head(20)
    return _prepared(run, zones=len(loads.zones)) | {
        "events": events.height,
        "by_event": dict(counts.iter_rows()),
        "rejected_outages": rejected,
    }


def mine_rules(run_id: str) -> Json:
    """Apriori and FP-Growth on the transactions of a prepared run."""
    run = load_run(run_id)
    asked = run.parameters
    loads = load_loads(run)
    events = pl.read_parquet(run.folder / EVENTS_FILE)
    transactions = build_transactions(
        events,
        place=asked["place"],
        timezone=run.timezone,
        window_hours=asked["window_hours"],
        zones=loads.zones,
        first=run.first,
        last=run.last,
        without=asked["same_readings"],
    )
    from smartgrid.mining.events_vocabulary import Vocabulary

    found = find_rules(
        transactions,
        Vocabulary.model_validate(asked["vocabulary"]),
        min_support=_support(asked, len(transactions)),
        min_confidence=asked["min_confidence"],
        max_q_value=asked["max_q_value"],
        min_days=asked["min_days"],
        twins=asked["same_readings"],
        # Sets of three of 20 zones times 12 events are a million rules that say the same weather.
        max_length=2 if asked["place"] == "grid" else 3,
    )
    write_json(run, RULES_FILE, found)
    told = ("transactions", "itemsets", "rules_tried", "rules", "reported", "relations", "partial", "searches_agree")
    return {"run_id": run_id, **{name: found["summary"][name] for name in told}}


def conclude_rules(run_id: str) -> Json:
    """Compare with the run before, store, draw, report. Returns {"run_id", "note", "changes", "dataset", ...}."""
    settings = _settings()
    run = load_run(run_id)
    found = read_json(run, RULES_FILE)
    with session() as transaction:
        stored = store_rules(transaction, run, found, keep=settings.mining.keep_runs)
    _forget(stored["forgotten"])
    write_json(run, "changes.json", stored)
    from smartgrid.mining.pictures_rules import draw_rules

    pictures = draw_rules(run.folder / PICTURES, found, run)
    text = rule_report(run, found, stored, [path.name for path in pictures])
    write_bytes(str(run.folder / REPORT_FILE), text.encode())
    return _concluded(run, rule_note(run, found, stored)) | {
        "reported": found["summary"]["reported"],
        "changed": len(stored["changes"]["text"]),
        "compared_with": stored["changes"]["compared_with"],
    }


def _support(asked: Json, transactions: int) -> float:
    """Never fewer transactions than the days that a rule has to rest on: what is rarer cannot be reported."""
    return float(min(1.0, max(asked["min_support"], asked["min_days"] / max(1, transactions))))


def _settings() -> Settings:
    migrate()
    settings = get_settings()
    if not clock.started(settings):
        raise NothingToDo("no measurements yet: run ingest_measurements first")
    return settings


def _prepared(run: RunFile, zones: int) -> Json:
    return {
        "run_id": run.run_id,
        "first_day": str(run.first),
        "last_day": str(run.last),
        "zones": zones,
        "dataset": run.dataset.model_dump(mode="json"),
    }


def _concluded(run: RunFile, note: str) -> Json:
    return {
        "run_id": run.run_id,
        "note": note,
        "report": str(run.folder / REPORT_FILE),
        "dataset": run.dataset.model_dump(mode="json"),
    }


def _forget(run_ids: list[str]) -> None:
    for run_id in run_ids:
        shutil.rmtree(folder(run_id), ignore_errors=True)


__all__ = [
    "cluster_days",
    "conclude_patterns",
    "conclude_rules",
    "find_outliers",
    "mine_rules",
    "prepare_events",
    "prepare_patterns",
]
