"""The step `quality.validate` from landing rows to the lake."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select

from smartgrid import lake
from smartgrid.errors import NothingToDo
from smartgrid.quality import steps
from smartgrid.quality.checkpoint import KEEP_RESULTS, _prune
from smartgrid.quality.errors import BatchMissing, PipelineStopped
from smartgrid.quality.quarantine import read_quarantine
from smartgrid.settings import get_settings
from smartgrid.store import session
from smartgrid.store.events import EventRow
from smartgrid.store.models import Batch, Validation


def stored(batch_id):
    with session() as open_session:
        return open_session.get_one(Batch, batch_id)


def validations():
    with session() as open_session:
        return list(open_session.query(Validation).order_by(Validation.validation_id))


def test_good_rows_reach_the_lake_and_bad_ones_the_quarantine(land, make_readings, settings):
    frame = make_readings(zones=2).with_columns(
        load_kw=pl.when(pl.col("row_number") == 40).then(-3.0).otherwise(pl.col("load_kw"))
    )
    land("b1", frame)
    result = steps.validate()
    assert (result["accepted"], result["rejected"]) == (frame.height - 1, 1)
    assert result["batches"] == [
        {"batch_id": "b1", "accepted": frame.height - 1, "rejected": 1, "passed": True,
         "reasons": {"load_negative": 1}}
    ]  # fmt: skip
    in_lake = lake.read_measurements(settings.lake_root)
    good = frame.filter(pl.col("row_number") != 40)
    assert in_lake.select("zone", "time", "load_kw").equals(good.select("zone", "time", "load_kw").sort("zone", "time"))
    quarantined = read_quarantine(settings.lake_root, "b1")
    assert quarantined["row_number"].to_list() == [40]
    batch = stored("b1")
    assert (batch.status, batch.accepted_rows, batch.rejected_rows) == ("validated", frame.height - 1, 1)
    assert validations()[0].passed
    assert all(one["success"] for one in validations()[0].expectations)
    assert len(json.dumps(result)) < 8192


def test_the_data_docs_page_says_what_was_checked(land, make_readings, home):
    land("b1", make_readings(zones=1))
    steps.validate()
    page = Path(validations()[0].data_docs)
    assert page.is_relative_to(home / "data_docs")
    text = page.read_text()
    assert "load_kw" in text
    assert "Succeeded" in text
    assert (home / "data_docs" / "index.html").exists()


def test_only_the_last_results_are_kept(tmp_path):
    for number in range(KEEP_RESULTS + 5):
        for folder in ("results", "pages"):
            (tmp_path / folder / "measurements" / f"b{number}" / f"2026{number:04}").mkdir(parents=True)
    _prune(tmp_path / "results" / ".", tmp_path / "pages")
    left = sorted(path.name for path in (tmp_path / "results").glob("measurements/*/*"))
    assert left == [f"2026{number:04}" for number in range(6, KEEP_RESULTS + 5)]
    assert len(list((tmp_path / "pages").glob("measurements/*"))) == KEEP_RESULTS - 1


def test_repeating_a_validation_changes_nothing_in_the_lake(land, make_readings, settings):
    land("b1", make_readings(zones=1))
    first = steps.validate()
    before = lake.read_measurements(settings.lake_root)
    again = steps.validate("b1")
    assert again["dataset"] == first["dataset"]
    assert lake.read_measurements(settings.lake_root).equals(before)


def test_nothing_landed_is_nothing_to_do(home):
    with pytest.raises(NothingToDo):
        steps.validate()


def test_an_unknown_batch_is_named(home):
    with pytest.raises(BatchMissing, match="b9"):
        steps.validate("b9")


def test_a_crash_after_the_lake_was_written_is_harmless(land, make_readings, settings, monkeypatch):
    land("b1", make_readings(zones=1))

    class PowerCut(BaseException):
        pass

    def cut(*args, **kwargs):
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(steps, "_record", cut)
        with pytest.raises(PowerCut):
            steps.validate()
    written = lake.read_measurements(settings.lake_root)
    assert written.height
    assert stored("b1").status == "landed"
    steps.validate()
    assert stored("b1").status == "validated"
    assert lake.read_measurements(settings.lake_root).equals(written)
    assert len(validations()) == 1


@pytest.mark.parametrize(
    ("defect", "cause"),
    [
        (lambda frame: frame.drop("load_kw"), "columns"),
        (lambda frame: frame.with_columns(load_kw=pl.col("load_kw").cast(pl.String)), "columns"),
        (lambda frame: frame.clear(), "no rows"),
        (lambda frame: frame.with_columns(load_kw=-pl.col("load_kw")), "too many"),
    ],
    ids=["column missing", "wrong type", "empty", "mostly bad"],
)
def test_a_bad_batch_is_stopped_and_nothing_of_it_reaches_the_lake(land, make_readings, settings, defect, cause):
    land("good", make_readings(zones=1))
    batch = stored("good")
    land("bad", defect(pl.read_parquet(batch.uri)), lake.Window(batch.window_start, batch.window_end), as_is=True)
    with pytest.raises(PipelineStopped, match=cause) as stop:
        steps.validate("bad")
    assert stop.value.facts
    assert stop.value.exit_code == 3
    assert lake.read_measurements(settings.lake_root).is_empty()
    stopped = stored("bad")
    assert stopped.status == "stopped"
    assert stopped.accepted_rows == 0
    assert stopped.rejected_rows == stopped.rows
    assert [one.passed for one in validations()] == [False]


def test_people_hear_of_a_stopped_batch_of_its_end_and_of_many_rejected_rows(land, make_readings):
    frame = make_readings(zones=1, hours=24 * 15)
    land("history", frame[: 24 * 14])
    steps.validate()
    day = frame[24 * 14 :]
    land("bad", day.with_columns(load_kw=pl.col("load_kw") * 1000))
    with pytest.raises(PipelineStopped):
        steps.validate("bad")
    land("good", day)
    steps.validate("good")
    sign = pl.when(pl.int_range(pl.len()) < 30).then(-1).otherwise(1)
    land("history again", frame[: 24 * 14].with_columns(load_kw=pl.col("load_kw") * sign))
    steps.validate("history again")
    with session() as transaction:
        events = [(event.kind, event.resolves, event.dedupe_key) for event in transaction.scalars(select(EventRow))]
        rejected = transaction.scalars(select(EventRow).where(EventRow.kind == "data_rejected")).one()
    key = events[0][2]
    assert events == [("data_stopped", False, key), ("data_stopped", True, key), ("data_rejected", False, None)]
    assert rejected.data["rejected_rows"] == 30
    assert rejected.data["reasons"] == "load_negative 30"


def test_a_critical_expectation_stops_the_batch(land, make_readings, settings):
    """Names longer than the store's columns pass the row checks; the suite keeps them out of the lake."""
    land("b1", make_readings(zones=1).with_columns(zone=pl.lit("Z" * 200)))
    with pytest.raises(PipelineStopped, match="expect_column_value_lengths_to_be_between"):
        steps.validate()
    assert lake.read_measurements(settings.lake_root).is_empty()
    assert stored("b1").status == "stopped"


def test_negative_loads_pass_the_whole_step_where_allowed(land, make_readings, settings, monkeypatch):
    monkeypatch.setenv("SMARTGRID_LIMITS__ALLOW_NEGATIVE_LOAD", "true")
    get_settings.cache_clear()
    land("b1", make_readings(zones=1).with_columns(load_kw=pl.col("load_kw") - 220))
    assert steps.validate()["rejected"] == 0


def test_daily_batches_use_the_history_in_the_lake(land, make_readings):
    frame = make_readings(zones=1, hours=24 * 15)
    land("history", frame[: 24 * 14])
    steps.validate()
    day = frame[24 * 14 :].with_columns(load_kw=pl.col("load_kw") * 1000)
    land("day", day)
    with pytest.raises(PipelineStopped) as stop:
        steps.validate()
    assert stop.value.facts["reasons"] == {"load_out_of_range": 24}


def test_a_late_correction_replaces_the_earlier_reading(land, make_readings, settings):
    frame = make_readings(zones=1)
    land("b1", frame)
    late = frame[100:101].with_columns(
        load_kw=pl.col("load_kw") * 1.2, available_at=pl.col("time") + pl.duration(days=9)
    )
    land("b2", late, lake.Window(frame["time"][500], frame["time"][524]))
    assert steps.validate()["accepted"] == frame.height + 1
    in_lake = lake.read_measurements(settings.lake_root)
    assert in_lake.height == frame.height
    assert in_lake.filter(pl.col("time") == late["time"][0])["load_kw"][0] == late["load_kw"][0]


def test_warnings_name_a_gap_an_incomplete_day_and_a_lost_zone(land, make_readings):
    frame = make_readings(zones=3, hours=24 * 12)
    split = frame["time"][0] + timedelta(days=10)
    land("history", frame.filter(pl.col("time") < split))
    day = frame.filter(
        (pl.col("time") >= split)
        & (pl.col("zone") != "Z2")
        & ~((pl.col("zone") == "Z3") & (pl.col("time").dt.hour().is_between(3, 9)))
    )
    land("day", day, lake.Window(split, split + timedelta(days=2)))
    steps.validate()
    found = {(one["code"], *one["zones"]) for one in validations()[-1].warnings}
    assert found == {("zone_disappeared", "Z2"), ("gap", "Z3"), ("incomplete_day", "Z3")}


def test_a_step_of_a_zone_and_identical_zones_are_told_once(land, make_readings):
    frame = make_readings(zones=2, hours=24 * 24)
    first = frame.filter(pl.col("zone") == "Z1")
    twin = first.with_columns(zone=pl.lit("Z1b"))
    step = frame["time"][0] + timedelta(days=14)
    stepped = frame.filter(pl.col("zone") == "Z2").with_columns(
        load_kw=pl.col("load_kw") * pl.when(pl.col("time") >= step).then(2.8).otherwise(1.0)
    )
    rows = pl.concat([first, twin, stepped])
    for day in range(10, 22):
        start = frame["time"][0] + timedelta(days=day if day > 10 else 0)
        end = frame["time"][0] + timedelta(days=day + 1)
        land(f"d{day}", rows.filter((pl.col("time") >= start) & (pl.col("time") < end)), lake.Window(start, end))
    result = steps.validate()
    assert result["rejected"] == 0
    told = [(one.batch_id, warning["code"]) for one in validations() for warning in one.warnings]
    assert told == [("d10", "identical_series"), ("d16", "step_change")]
    assert validations()[6].warnings[0]["day"] == str(step.date())


def test_days_of_23_and_25_hours_are_complete(land, make_readings, monkeypatch):
    monkeypatch.setenv("SMARTGRID_TIMEZONE", "Europe/Berlin")
    monkeypatch.setenv("SMARTGRID_LIMITS__COMPLETENESS", "1")
    get_settings.cache_clear()
    for batch_id, month in (("spring", 3), ("autumn", 10)):
        start = datetime(2021, month, 27, 22, tzinfo=UTC)
        land(batch_id, make_readings(zones=1, hours=24 * 8, start=start))
    steps.validate()
    assert [one["code"] for entry in validations() for one in entry.warnings if one["code"] == "incomplete_day"] == []


def test_another_attempt_after_finished_work_answers_as_the_first_did(land, make_readings, settings):
    land("b1", make_readings(zones=1))
    first = steps.validate()
    again = steps.validate(retry=True)
    assert (again["accepted"], again["dataset"]["sha256"]) == (first["accepted"], first["dataset"]["sha256"])
    with pytest.raises(NothingToDo):
        steps.validate()
