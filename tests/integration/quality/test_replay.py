"""Quarantined rows come back after correction."""

from __future__ import annotations

import polars as pl
import pytest

from smartgrid import lake
from smartgrid.errors import NothingToDo
from smartgrid.quality import listing, steps
from smartgrid.quality.errors import CorrectionUnreadable, QuarantineEmpty
from smartgrid.quality.quarantine import read_open, read_quarantine
from smartgrid.quality.replay import replay
from smartgrid.settings import get_settings

BAD = {40: 2500.0, 90: None, 200: 1e9}


@pytest.fixture
def validated(land, make_readings):
    """A batch with three bad rows: a spike, unreadable text and out of range. The true frame."""
    frame = make_readings(zones=1)
    broken = frame.with_columns(
        load_kw=pl.col("row_number").replace_strict(BAD, default=pl.col("load_kw"), return_dtype=pl.Float64),
        raw_load=pl.when(pl.col("row_number") == 90).then(pl.lit("12,5")),
    )
    land("b1", broken)
    steps.validate()
    return frame


def corrected(path, frame, numbers):
    """Export the quarantine and correct the rows `numbers` as a person would."""
    listing.export("b1", path)
    rows = pl.read_csv(path, infer_schema=False)
    truth = dict(zip(frame["row_number"], frame["load_kw"], strict=True))
    loads = [
        repr(truth[int(number)]) if int(number) in numbers else load
        for number, load in zip(rows["row_number"], rows["load_kw"], strict=True)
    ]
    rows.with_columns(load_kw=pl.Series(loads)).write_csv(path)
    return path


def test_corrected_rows_reach_the_lake_and_nothing_is_lost(validated, settings, tmp_path):
    outcome = replay("b1", corrected(tmp_path / "c.csv", validated, {40, 90}))
    assert outcome == {"batch_id": "b1-r1", "accepted": 2, "rejected": 1, "open": 1, "repeated": False}
    in_lake = lake.read_measurements(settings.lake_root)
    expected = validated.filter(pl.col("row_number") != 200)
    assert in_lake["load_kw"].to_list() == expected["load_kw"].to_list()
    assert read_open(settings.lake_root, "b1")["row_number"].to_list() == [200]
    assert read_quarantine(settings.lake_root, "b1").height == 3
    assert in_lake.height + read_open(settings.lake_root, "b1").height == validated.height


def test_replaying_the_same_file_twice_changes_nothing(validated, settings, tmp_path):
    path = corrected(tmp_path / "c.csv", validated, {40, 90})
    replay("b1", path)
    before = lake.read_measurements(settings.lake_root)
    again = replay("b1", path)
    assert again == {"batch_id": "b1-r1", "accepted": 2, "rejected": 1, "open": 1, "repeated": True}
    assert lake.read_measurements(settings.lake_root).equals(before)
    assert [one["batch_id"] for one in listing.batches(10)].count("b1-r2") == 0


def test_a_second_correction_repairs_the_rest(validated, settings, tmp_path):
    replay("b1", corrected(tmp_path / "c1.csv", validated, {40, 90}))
    outcome = replay("b1", corrected(tmp_path / "c2.csv", validated, {200}))
    assert (outcome["batch_id"], outcome["accepted"], outcome["open"]) == ("b1-r2", 1, 0)
    assert lake.read_measurements(settings.lake_root)["load_kw"].to_list() == validated["load_kw"].to_list()
    with pytest.raises(NothingToDo):
        replay("b1")


def test_without_a_file_todays_limits_decide(validated, settings, monkeypatch):
    assert replay("b1")["accepted"] == 0
    assert replay("b1")["repeated"]
    monkeypatch.setenv("SMARTGRID_LIMITS__SPIKE_RATIO", "50")
    get_settings.cache_clear()
    outcome = replay("b1")
    assert (outcome["accepted"], outcome["open"]) == (1, 2)
    assert 2500.0 in lake.read_measurements(settings.lake_root)["load_kw"].to_list()


def test_an_interrupted_replay_is_finished_by_the_next(validated, settings, tmp_path, monkeypatch):
    path = corrected(tmp_path / "c.csv", validated, {40, 90, 200})

    class PowerCut(BaseException):
        pass

    def cut(*args, **kwargs):
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(steps, "run_checkpoint", cut)
        with pytest.raises(PowerCut):
            replay("b1", path)
    outcome = replay("b1", path)
    assert (outcome["batch_id"], outcome["accepted"], outcome["open"]) == ("b1-r1", 3, 0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("load_kw\n1\n", "row_number is missing"),
        ("row_number,load_kw\n7,1\n", "row 7 is not in the quarantine"),
        ("row_number,load_kw\n40,1\n40,2\n", "appears twice"),
        ("row_number,load_kw\n,1\n", "no row_number"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_reason(validated, tmp_path, text, problem):
    path = tmp_path / "c.csv"
    path.write_text(text)
    with pytest.raises(CorrectionUnreadable, match=problem):
        replay("b1", path)


def test_a_file_may_hold_only_the_corrected_column(validated, settings, tmp_path):
    path = tmp_path / "c.csv"
    path.write_text(f"row_number,load_kw\n40,{validated['load_kw'][40]!r}\n")
    assert replay("b1", path)["open"] == 2


def test_a_correction_may_be_wrong_again(validated, settings, tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("row_number,load_kw\n40,lots\n")
    outcome = replay("b1", path)
    assert (outcome["accepted"], outcome["open"]) == (0, 3)
    assert read_quarantine(settings.lake_root, "b1-r1")["reason"].to_list() == ["load_not_a_number"]


def test_a_clean_batch_has_nothing_to_replay(land, make_readings, home):
    land("b2", make_readings(zones=1))
    steps.validate()
    with pytest.raises(QuarantineEmpty):
        replay("b2")
