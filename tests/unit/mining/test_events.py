from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mined_grid import FIRST, MORNING, TIMEZONE, loads_of, measurements, noisy

from smartgrid.mining.events import EVENT_SCHEMA, UTC_TIME, Records, derive_events
from smartgrid.mining.events_detectors import DETECTORS
from smartgrid.mining.events_vocabulary import THRESHOLDS, load_vocabulary, vocabulary_markdown
from smartgrid.mining.run_errors import BadVocabulary

DAYS = 60


def derived(values: np.ndarray, records: Records | None = None, frame: pl.DataFrame | None = None) -> pl.DataFrame:
    frame = measurements(DAYS, {"Z1": values}) if frame is None else frame
    return derive_events(loads_of(frame, DAYS), records or Records(), load_vocabulary(), TIMEZONE)


def on(events: pl.DataFrame, event: str) -> list[date]:
    """Local days of an event."""
    found = events.filter(pl.col("event") == event)["start"].to_list()
    return [(moment - timedelta(hours=5)).date() for moment in found]


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def test_a_usual_grid_has_no_load_events() -> None:
    events = derived(noisy(MORNING, DAYS))
    assert not {"peak", "low_load", "ramp_up", "ramp_down", "flat_line"} & set(events["event"])


def test_peak_low_load_ramps_and_flat_line_are_found_on_their_day() -> None:
    values = noisy(MORNING, DAYS)
    values[40, 18] *= 1.9
    values[44] *= 0.7
    values[50, 0:4] = 1011.0
    events = derived(values)
    assert on(events, "peak") == [day(40)]
    assert on(events, "low_load") == [day(44)]
    assert on(events, "ramp_up") == [day(40), day(45)]  # and the way back from the low day
    assert on(events, "flat_line") == [day(50)]
    peak = events.filter(pl.col("event") == "peak").row(0, named=True)
    assert peak["start"] == datetime(2007, 2, 10, 18 + 5, tzinfo=UTC)
    assert peak["unit"] == "% above usual"
    assert peak["value"] == pytest.approx(100 * (values[40, 18] / (1000 * MORNING.max()) - 1), abs=3)
    assert dict(events.schema) == EVENT_SCHEMA


def test_history_before_the_window_makes_no_events() -> None:
    values = noisy(MORNING, DAYS)
    values[25, 18] *= 3
    assert on(derived(values), "peak") == []


def test_temperature_extremes_need_degrees_as_well_as_a_quantile() -> None:
    frame = measurements(DAYS, {"Z1": noisy(MORNING, DAYS)})
    assert set(derived(np.empty(0), frame=frame)["event"]) <= {"cold"}  # 5 to 15 °C: nothing is hot
    warm = frame.with_columns(
        pl.when(pl.col("time") >= datetime(2007, 2, 20, 5, tzinfo=UTC))
        .then(31.0)
        .otherwise(20.0)
        .alias("temperature_c")
    )
    events = derived(np.empty(0), frame=warm)
    assert on(events, "warming") == [date(2007, 2, 20)]
    assert on(events, "hot")[0] == date(2007, 2, 20)
    assert on(events, "cold") == []


def test_holidays_rejections_and_misses_come_from_the_records() -> None:
    noon = datetime(2007, 2, 14, 17, tzinfo=UTC)
    records = Records(
        holidays=frozenset({date(2007, 2, 19), date(2006, 12, 25)}),
        rejected=pl.DataFrame(
            {"zone": ["Z1", "Z1", "elsewhere"], "time": [noon, noon, noon], "reason": ["load_spike"] * 3},
            schema={"zone": pl.String(), "time": UTC_TIME, "reason": pl.String()},
        ),
        misses=pl.DataFrame({"zone": ["Z1", "Z1"], "day": [day(40), day(41)], "error_share": [0.3, 0.02]}),
    )
    events = derived(noisy(MORNING, DAYS), records)
    assert on(events, "holiday") == [date(2007, 2, 19)]
    assert events.filter(pl.col("event") == "holiday")["place"].to_list() == [""]
    assert on(events, "rejected:load_spike") == [date(2007, 2, 14)]
    assert events.filter(pl.col("event") == "rejected:load_spike")["value"].to_list() == [2.0]
    assert on(events, "forecast_miss") == [day(40)]


def test_missing_readings_count_only_between_the_first_and_the_last() -> None:
    values = noisy(MORNING, DAYS)
    values[:35] = np.nan
    values[45, 7] = np.nan
    assert on(derived(values), "missing_readings") == [day(45)]


def test_every_detector_has_thresholds_and_every_word_a_detector() -> None:
    vocabulary = load_vocabulary()
    assert set(DETECTORS) == set(THRESHOLDS) == {kind.detector for kind in vocabulary.events.values()}
    assert "`peak`" in vocabulary_markdown()


@pytest.mark.parametrize(
    ("one", "other", "relation"),
    [
        ("peak", "ramp_up", "by construction"),
        ("flat_line", "rejected:flat_line", "by construction"),
        ("missing_readings", "rejected:load_zero", "by construction"),
        ("cold", "peak", "expected"),
        ("holiday", "low_load", "expected"),
        ("holiday", "rejected:load_spike", "new"),
        ("cause=storm", "cause=fault", "by construction"),
        ("customers>=50000", "customers<10000", "by construction"),
        ("cause=storm", "customers>=50000", "new"),
        ("outage", "cause=storm", "by construction"),
        ("outage", "peak", "new"),
    ],
)
def test_pairs_of_events_are_new_expected_or_true_by_construction(one: str, other: str, relation: str) -> None:
    vocabulary = load_vocabulary()
    assert vocabulary.relation(one, other)[0] == vocabulary.relation(other, one)[0] == relation


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("events: [", "not YAML"),
        ("events: {}", "at least 1"),
        ("events: {x: {meaning: m, basis: load, detector: peak, thresholds: {}}}", "takes the thresholds"),
        ("events: {x: {meaning: m, basis: load, detector: guess, thresholds: {}}}", "detector"),
    ],
)
def test_a_bad_vocabulary_names_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(text)
    with pytest.raises(BadVocabulary, match=said):
        load_vocabulary(path)


def test_the_documentation_has_the_packaged_vocabulary() -> None:
    documented = (Path(__file__).parents[3] / "docs/mining.md").read_text(encoding="utf-8")
    assert vocabulary_markdown() in documented
