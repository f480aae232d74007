from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.lake import (
    Window,
    read_measurements,
    read_weather,
    span,
    upsert_measurements,
    upsert_weather,
)
from smartgrid.lake.measurements import MEASUREMENT_SCHEMA, WEATHER_SCHEMA, natural_sorted, zones

START = datetime(2007, 12, 31, 12, tzinfo=UTC)


def _rows(
    zone: str = "Z1", hours: int = 24, load_kw: float = 1.0, known_h: int = 1, first: datetime = START
) -> pl.DataFrame:
    times = [first + timedelta(hours=hour) for hour in range(hours)]
    return pl.DataFrame(
        {
            "zone": [zone] * hours,
            "time": times,
            "load_kw": [load_kw + hour for hour in range(hours)],
            "temperature_c": [None] * hours,
            "available_at": [moment + timedelta(hours=known_h) for moment in times],
        },
        schema=MEASUREMENT_SCHEMA,
    )


def test_what_is_written_is_read_sorted_across_zones_and_years(tmp_path: Path) -> None:
    root = str(tmp_path)
    written = pl.concat([_rows("Z2"), _rows("Z1")])
    assert upsert_measurements(root, written.reverse()) == 48
    assert read_measurements(root).equals(written.sort("zone", "time"))
    parts = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("part.parquet"))
    assert parts[:2] == ["measurements/zone=Z1/year=2007/part.parquet", "measurements/zone=Z1/year=2008/part.parquet"]


def test_later_known_reading_replaces_the_earlier_one_in_any_order(tmp_path: Path) -> None:
    old, new = _rows(load_kw=1), _rows(load_kw=100, known_h=48)
    for number, order in enumerate(([old, new], [new, old])):
        root = str(tmp_path / str(number))
        for frame in order:
            upsert_measurements(root, frame)
        assert read_measurements(root).equals(new)


def test_of_two_readings_known_at_the_same_time_the_last_written_stays(tmp_path: Path) -> None:
    root = str(tmp_path)
    upsert_measurements(root, _rows(load_kw=1))
    upsert_measurements(root, _rows(load_kw=2))
    assert read_measurements(root)["load_kw"][0] == 2


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    root = str(tmp_path)
    upsert_measurements(root, _rows())
    before = {path: path.read_bytes() for path in tmp_path.rglob("part.parquet")}
    upsert_measurements(root, _rows())
    assert {path: path.read_bytes() for path in tmp_path.rglob("part.parquet")} == before


def test_window_zones_and_knowledge_time_select_rows(tmp_path: Path) -> None:
    root = str(tmp_path)
    upsert_measurements(root, pl.concat([_rows("Z1"), _rows("Z2"), _rows("Z10")]))
    window = Window(START + timedelta(hours=2), START + timedelta(hours=4))
    assert read_measurements(root, window).height == 6
    assert read_measurements(root, window, zones=["Z2"])["zone"].unique().to_list() == ["Z2"]
    assert read_measurements(root, zones=[]).is_empty()
    assert read_measurements(root, zones=["Z1"], as_of=START + timedelta(hours=3)).height == 3
    assert zones(root) == ["Z1", "Z2", "Z10"]


def test_span_ends_just_after_the_last_reading(tmp_path: Path) -> None:
    root = str(tmp_path)
    assert span(root) is None
    last = START.replace(microsecond=999_999)
    upsert_measurements(root, _rows(hours=1, first=last))
    found = span(root)
    assert found is not None
    assert (found.start, found.end) == (last, last + timedelta(microseconds=1))
    assert read_measurements(root, found).height == 1


@pytest.mark.parametrize("zone", ["North/South", "a b", "München", "..", "zone=1", "50%", "x?y#z"])
def test_any_zone_name_survives_the_path(tmp_path: Path, zone: str) -> None:
    upsert_measurements(str(tmp_path), _rows(zone))
    assert zones(str(tmp_path)) == [zone]
    assert read_measurements(str(tmp_path), zones=[zone]).height == 24
    assert all(tmp_path in path.resolve().parents for path in tmp_path.rglob("part.parquet"))


def test_forecast_and_actual_weather_of_an_hour_stand_side_by_side(tmp_path: Path) -> None:
    root = str(tmp_path)
    rows = [("Z1", START, 1.0, "forecast", START), ("Z1", START, 2.0, "actual", START)]
    assert upsert_weather(root, pl.DataFrame(rows, schema=WEATHER_SCHEMA, orient="row")) == 2
    newer = [("Z1", START, 3.0, "forecast", START + timedelta(hours=1))]
    upsert_weather(root, pl.DataFrame(newer, schema=WEATHER_SCHEMA, orient="row"))
    assert sorted(read_weather(root).select("kind", "temperature_c").rows()) == [("actual", 2.0), ("forecast", 3.0)]


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    root = str(tmp_path)
    frames = [_rows(hours=1, first=START + timedelta(minutes=15 * number)) for number in range(12)]
    threads = [threading.Thread(target=upsert_measurements, args=(root, frame)) for frame in frames]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_measurements(root).height == 12


@given(st.permutations(["Z1", "Z2", "Z10", "Z20", "Y3", "10", "9", "A10B2", "A10B10"]))
def test_natural_order_does_not_depend_on_the_input(names: list[str]) -> None:
    assert natural_sorted(names) == ["9", "10", "A10B2", "A10B10", "Y3", "Z1", "Z2", "Z10", "Z20"]
