"""The steps of both mining pipelines on a real lake and store, twice and in a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from mined_grid import EVENING, FIRST, MORNING, measurements, noisy
from sqlalchemy import func, inspect, select
from typer.testing import CliRunner

from smartgrid import clock, lake
from smartgrid.settings import get_settings
from smartgrid.steps import run_step
from smartgrid.store import migrate, session
from smartgrid.store.engine import engine, engine_for
from smartgrid.store.events import EventRow
from smartgrid.store.mining_tables import (
    MiningAssignment,
    MiningCluster,
    MiningItemset,
    MiningOutlier,
    MiningRule,
    MiningRun,
    MiningZone,
)

DAYS = 112
TABLES = (MiningRun, MiningCluster, MiningZone, MiningAssignment, MiningOutlier, MiningItemset, MiningRule, EventRow)


@pytest.fixture
def grid(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Four zones for sixteen weeks; the last one trebles on day 92 and peaks in the morning from then on."""
    dsn = f"sqlite:///{tmp_path / 'store.db'}"
    if getattr(request, "param", "sqlite") == "postgresql":
        dsn = request.getfixturevalue("postgres_url")
    for name, value in {
        "HOME": str(tmp_path), "STORE_URL": dsn, "TIMEZONE": "Etc/GMT+5", "HOLIDAYS": "US",
        "MINING__DAYS": "56", "MINING__RECENT_DAYS": "7", "MINING__MIN_RULE_DAYS": "2",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"SMARTGRID_{name}", value)
    get_settings.cache_clear()
    migrate()
    changed = noisy(EVENING, DAYS, 7)
    changed[92:] = 3 * noisy(MORNING, DAYS - 92, 8)
    zones = {
        "Z1": noisy(EVENING, DAYS, 3),
        "Z2": 5 * noisy(EVENING, DAYS, 4),
        "Z3": 2 * noisy(MORNING, DAYS, 5),
        "Z4": changed,
    }
    # Every tenth day a peak in Z1 and Z2: something to find rules in.
    for zone in ("Z1", "Z2"):
        zones[zone][::10, 12] *= 3
    lake.upsert_measurements(get_settings().lake_root, measurements(DAYS, zones))
    yield tmp_path
    if dsn.startswith("postgresql"):
        # The server is shared by the module; views of other rooms depend on the tables.
        with engine().begin() as connection:
            for schema in inspect(engine()).get_schema_names():
                if not schema.startswith(("pg_", "information_schema")):
                    connection.exec_driver_sql(f'DROP SCHEMA "{schema}" CASCADE')
            connection.exec_driver_sql("CREATE SCHEMA public")
    engine().dispose()
    engine_for.cache_clear()
    get_settings.cache_clear()


ON_BOTH_STORES = pytest.mark.parametrize("grid", ["sqlite", "postgresql"], indirect=True)


def at(day: int) -> None:
    """Data time is the local midnight that starts `day`."""
    clock.advance_to(datetime(FIRST.year, FIRST.month, FIRST.day, 5, tzinfo=UTC) + timedelta(days=day))


def patterns(**asked: Any) -> dict[str, Any]:
    run = {"run_id": run_step("mining.prepare_patterns", asked)["run_id"]}
    run_step("mining.cluster_days", run)
    run_step("mining.find_outliers", run)
    return run_step("mining.conclude_patterns", run)


def rules(**asked: Any) -> dict[str, Any]:
    run = {"run_id": run_step("mining.prepare_events", asked)["run_id"]}
    run_step("mining.mine_rules", run)
    return run_step("mining.conclude_rules", run)


def rows() -> dict[str, int]:
    with session() as transaction:
        return {
            table.__tablename__: transaction.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES
        }


@ON_BOTH_STORES
def test_a_zone_that_changes_is_noticed_once_and_everything_is_in_the_store(grid: Path) -> None:
    at(91)
    first = patterns(k=2)
    assert first["compared_with"] is None
    assert rows()["events"] == 0
    at(98)
    second = patterns(k=2)
    assert second["compared_with"] == first["run_id"]
    assert second["moved_zones"] == ["Z4"]
    with session() as transaction:
        [event] = transaction.scalars(select(EventRow))
        assert (event.kind, event.severity, event.zones, event.run) == (
            "load_patterns_changed", "medium", ["Z4"], second["run_id"],
        )  # fmt: skip
        assert "Z4 went from load pattern A to B." in event.text
        clusters = {(one.run_id, one.zone): one.cluster for one in transaction.scalars(select(MiningZone))}
        assert clusters[first["run_id"], "Z4"] == clusters[second["run_id"], "Z1"] == "A"
        odd = transaction.get(MiningOutlier, (second["run_id"], "Z4", FIRST + timedelta(days=92)))
        assert odd is not None
        assert "above usual by" in odd.text
        assert np.mean(odd.load_kw) > 2 * np.mean(odd.usual_kw)
        run = transaction.get_one(MiningRun, second["run_id"])
        assert (run.previous_run_id, run.data_rows) == (first["run_id"], 56 * 24 * 4)
        assert run.parameters["k"] == 2
    folder = grid / "mining" / second["run_id"]
    assert {path.stem for path in (folder / "plots").glob("*.png")} == {
        "cluster_shapes", "zones", "outlier_calendar", "largest_odd_days",
    }  # fmt: skip
    report = (folder / "report.md").read_text()
    assert "**Z4** went from A to B" in report
    assert second["dataset"]["sha256"] in report
    assert len(second["note"]) <= 950


def test_the_same_window_and_data_are_the_same_run_and_no_row_is_there_twice(grid: Path) -> None:
    at(91)
    patterns(k=2)
    rules()
    at(98)
    first, first_rules = patterns(k=2), rules()
    before = rows()
    again, again_rules = patterns(k=2), rules()
    assert (again["run_id"], again["note"]) == (first["run_id"], first["note"])
    assert again_rules["run_id"] == first_rules["run_id"]
    assert rows() == before
    # Corrected data are another run.
    frame = lake.read_measurements(get_settings().lake_root).tail(1)
    later = pl.col("available_at") + timedelta(days=1)
    lake.upsert_measurements(get_settings().lake_root, frame.with_columns(pl.col("load_kw") * 2, later))
    at(DAYS)
    corrected = patterns(k=2)
    assert corrected["run_id"] != first["run_id"]


@ON_BOTH_STORES
def test_rules_of_planted_events_are_stored_and_compared(grid: Path) -> None:
    at(84)
    first = rules()
    at(98)
    second = rules()
    assert second["compared_with"] == first["run_id"]
    with session() as transaction:
        run = transaction.get_one(MiningRun, second["run_id"])
        assert run.summary["searches_agree"] is True
        assert run.summary["transactions"] == 56 * 4
        assert run.summary["events"]["peak"] >= 10
        found = transaction.scalars(select(MiningRule).where(MiningRule.run_id == run.run_id)).all()
        tautologies = [rule for rule in found if rule.relation == "by construction"]
        assert tautologies
        assert not any(rule.reported for rule in tautologies)
        assert transaction.scalar(
            select(func.count()).select_from(MiningItemset).where(MiningItemset.run_id == run.run_id)
        )
    assert (grid / "mining" / second["run_id"] / "plots" / "rules_scatter.png").stat().st_size > 10_000


def test_an_outage_log_joins_the_events_of_its_zones(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = grid / "outages.csv"
    begins = [FIRST + timedelta(days=day) for day in range(50, 98, 10)]
    lines = [f"Z1,{day} 11:30,storm" for day in begins] + ["elsewhere,2007-03-01 10:00,storm", "Z1,never,storm"]
    log.write_text("\n".join(["zone,start,cause", *lines]))
    monkeypatch.setenv("SMARTGRID_MINING__OUTAGE_LOG__PATH", str(log))
    monkeypatch.setenv("SMARTGRID_MINING__OUTAGE_LOG__ITEMS", json.dumps({"cause": "cause"}))
    get_settings.cache_clear()
    at(98)
    prepared = run_step("mining.prepare_events", {})
    assert prepared["by_event"]["outage"] == 5
    assert prepared["rejected_outages"] == {"start_unreadable": 1}
    run = {"run_id": prepared["run_id"]}
    run_step("mining.mine_rules", run)
    run_step("mining.conclude_rules", run)
    with session() as transaction:
        found = {
            (tuple(rule.antecedent), tuple(rule.consequent)): rule for rule in transaction.scalars(select(MiningRule))
        }
    # As sure is outage -> peak + cause=storm, which is true by construction: it must not hide what is new.
    told = {
        (rule.relation, rule.confidence)
        for (one, other), rule in found.items()
        if one == ("outage",) and "peak" in other
    }
    assert ("new", 1.0) in told


def test_without_data_the_steps_are_skipped_with_a_reason(grid: Path) -> None:
    for name in ("mining.prepare_patterns", "mining.prepare_events"):
        assert "run ingest_measurements first" in run_step(name, {})["skipped"]
        at(1)
        assert "no measurements" in run_step(name, {"end": "2001-01-01T00:00:00+00:00"})["skipped"]
        (grid / "clock.json").unlink()


def test_old_runs_are_forgotten_with_their_folders(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTGRID_MINING__KEEP_RUNS", "2")
    get_settings.cache_clear()
    made = []
    for day in (84, 91, 98):
        at(day)
        made.append(rules()["run_id"])
    with session() as transaction:
        assert set(transaction.scalars(select(MiningRun.run_id))) == set(made[1:])
    assert not (grid / "mining" / made[0]).exists()
    assert (grid / "mining" / made[2]).exists()


def test_commands_write_events_and_transactions_that_the_searches_read(grid: Path) -> None:
    from smartgrid.mining.commands import mine_app

    if not any(command.name == "events" for command in mine_app.registered_commands):
        from smartgrid.mining.event_commands import register

        register(mine_app)
    at(98)
    events, baskets = grid / "events.csv", grid / "baskets.csv"
    answer = CliRunner().invoke(mine_app, ["events", "--days", "28", "--output", str(events), "--json"])
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout.splitlines()[-1])
    assert pl.read_csv(events).height == told["events"]
    assert told["last_day"] == str(date(2007, 4, 8))
    answer = CliRunner().invoke(mine_app, ["transactions", "--days", "28", "--output", str(baskets), "--json"])
    told = json.loads(answer.stdout.splitlines()[-1])
    assert (told["transactions"], told["place"]) == (4 * 28, "zone")
    answer = CliRunner().invoke(mine_app, ["apriori", "--input", str(baskets), "--min-support", "0.05", "--json"])
    mined = json.loads(answer.stdout.splitlines()[-1])
    assert mined["transactions"] == told["transactions"] - told["empty_transactions"]
    assert ["peak"] in [one["items"] for one in mined["itemsets"]]
