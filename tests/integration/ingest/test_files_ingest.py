"""Files to the lake: windows, late readings, repetition. Real files, a real store."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from smartgrid import clock
from smartgrid.errors import ConfigurationError, NothingToDo
from smartgrid.ingest.files_source import DamagedFile, FilesSource, NoFiles
from smartgrid.ingest.source import LATE, NoReadableTimes
from smartgrid.ingest.steps import ingest, plan
from smartgrid.lake import DatasetRef, Window, read_measurements, read_parquet, read_weather, upsert_measurements
from smartgrid.lake.landing import LANDING_SCHEMA
from smartgrid.lake.measurements import MEASUREMENT_SCHEMA
from smartgrid.settings import Settings
from smartgrid.store import session
from smartgrid.store.models import Batch

Configure = Callable[..., Settings]
START = datetime(2024, 1, 1, tzinfo=UTC)


def _csv(path: Path, first: datetime, hours: int, load: float = 10.0, zones: tuple[str, ...] = ("A", "B")) -> None:
    lines = [
        f"{first + timedelta(hours=hour):%Y-%m-%d %H:%M},{zone},{load + hour},{hour % 30}"
        for hour in range(hours)
        for zone in zones
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("time,zone,load_kw,temperature_c\n" + "\n".join(lines) + "\n", encoding="utf-8")


def _ingest_next() -> tuple[dict[str, Any], pl.DataFrame]:
    result = ingest(**plan())
    return result, read_parquet(DatasetRef.model_validate(result["dataset"]))


def _accept(root: str, landed: pl.DataFrame) -> None:
    """What validation does with rows that are in order."""
    good = landed.filter(pl.col("load_kw").is_not_null() & pl.col("time").is_not_null())
    upsert_measurements(root, good.select(MEASUREMENT_SCHEMA.keys()))


def _batches() -> list[Batch]:
    with session() as store:
        return list(store.scalars(select(Batch)))


def test_history_comes_first_and_then_day_by_day_until_nothing_is_left(tmp_path: Path, configure: Configure) -> None:
    _csv(tmp_path / "data" / "load.csv", START, hours=24 * 4 + 6)
    configure(source={"kind": "csv", "path": tmp_path / "data"}, replay_start="2024-01-03T00:00:00+00:00")
    heights = []
    for _ in range(3):
        result, landed = _ingest_next()
        heights.append(landed.height)
        assert landed.schema == LANDING_SCHEMA
        assert clock.now() == datetime.fromisoformat(result["dataset"]["window"]["end"])
    assert heights == [96, 48, 48]
    assert _ingest_next()[1].height == 12, "the last, unfinished day"
    with pytest.raises(NothingToDo, match="all data were replayed"):
        plan()


def test_without_a_start_the_last_whole_day_ends_history(tmp_path: Path, configure: Configure) -> None:
    _csv(tmp_path / "load.csv", START, hours=24 * 4 + 6)
    configure(source={"kind": "csv", "path": tmp_path / "load.csv", "timezone": "Etc/GMT-2"})
    assert plan() == {"start": "2023-12-31T22:00:00+00:00", "end": "2024-01-04T22:00:00+00:00"}


def test_start_before_the_data_is_refused(tmp_path: Path, configure: Configure) -> None:
    _csv(tmp_path / "load.csv", START, hours=48)
    configure(source={"kind": "csv", "path": tmp_path / "load.csv"}, replay_start="2023-01-01T00:00:00+00:00")
    with pytest.raises(ConfigurationError, match="no history"):
        plan()


def test_repeated_ingest_lands_nothing_new(tmp_path: Path, configure: Configure) -> None:
    _csv(tmp_path / "load.csv", START, hours=48)
    configure(source={"kind": "csv", "path": tmp_path / "load.csv"})
    window = plan()
    first, again = ingest(**window), ingest(**window)
    assert first == again
    assert len(_batches()) == 1


def test_ingest_that_died_after_the_file_was_written_is_completed(
    tmp_path: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    _csv(tmp_path / "load.csv", START, hours=48)
    home = configure(source={"kind": "csv", "path": tmp_path / "load.csv"}).home

    def die(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("smartgrid.ingest.batch._record", die)
        window = plan()
        with pytest.raises(KeyboardInterrupt):
            ingest(**window)
    assert len(list((home / "lake" / "landing").iterdir())) == 1
    assert _batches() == []
    assert not clock.started()
    assert plan() == window
    result = ingest(**window)
    assert [batch.batch_id for batch in _batches()] == [result["batch_id"]]
    assert len(list((home / "lake" / "landing").iterdir())) == 1


def test_ingest_that_died_before_the_clock_moved_is_completed(
    tmp_path: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    _csv(tmp_path / "load.csv", START, hours=48)
    configure(source={"kind": "csv", "path": tmp_path / "load.csv"})

    def die(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FilesSource, "remember", die)
        window = plan()
        with pytest.raises(KeyboardInterrupt):
            ingest(**window)
    result = ingest(**window)
    assert [batch.batch_id for batch in _batches()] == [result["batch_id"]]
    assert result["late_rows"] == 0
    assert clock.now() == datetime.fromisoformat(window["end"])


def test_late_file_replaces_the_earlier_readings(tmp_path: Path, configure: Configure) -> None:
    folder = tmp_path / "data"
    _csv(folder / "a.csv", START, hours=24 * 4)
    root = configure(source={"kind": "csv", "path": folder}, replay_start="2024-01-03T00:00:00+00:00").lake_root
    _accept(root, _ingest_next()[1])
    _csv(folder / "b-corrected.csv", START + timedelta(hours=5), hours=1, load=99.0, zones=("A",))
    result, landed = _ingest_next()
    _accept(root, landed)
    assert result["late_rows"] == 1
    assert landed.height == 48 + 1
    hour = read_measurements(root, Window(START + timedelta(hours=5), START + timedelta(hours=6)))
    assert hour.select("zone", "load_kw").rows() == [("A", 99.0), ("B", 15.0)]
    assert hour["available_at"][0] == START + timedelta(days=3), "known when it came"
    assert hour["available_at"][1] == START + timedelta(hours=6)


def test_repeating_an_ingest_with_late_rows_lands_nothing_new(tmp_path: Path, configure: Configure) -> None:
    folder = tmp_path / "data"
    _csv(folder / "a.csv", START, hours=24 * 4)
    configure(source={"kind": "csv", "path": folder}, replay_start="2024-01-03T00:00:00+00:00")
    _ingest_next()
    _csv(folder / "b.csv", START, hours=1, load=99.0)
    window = plan()
    first, again = ingest(**window), ingest(**window)
    assert first == again
    assert first["late_rows"] == 2
    assert len(_batches()) == 2


def test_only_what_is_new_in_a_growing_file_is_late(tmp_path: Path, configure: Configure) -> None:
    path = tmp_path / "load.csv"
    _csv(path, START, hours=48)
    configure(source={"kind": "csv", "path": path})
    _ingest_next()
    with path.open("a", encoding="utf-8") as file:
        file.write("2024-01-01 03:00,A,77,5\n2024-01-03 00:00,A,58,1\n")
    result, landed = _ingest_next()
    assert result["late_rows"] == 1
    assert sorted(landed["load_kw"].to_list()) == [58.0, 77.0]


def test_correction_after_the_replay_ended_still_lands(tmp_path: Path, configure: Configure) -> None:
    folder = tmp_path / "data"
    _csv(folder / "a.csv", START, hours=48)
    configure(source={"kind": "csv", "path": folder})
    _ingest_next()
    with pytest.raises(NothingToDo):
        plan()
    _csv(folder / "b.csv", START, hours=1, load=99.0, zones=("A",))
    result, landed = _ingest_next()
    assert result["late_rows"] == 1
    assert 99.0 in landed["load_kw"].to_list()
    with pytest.raises(NothingToDo):
        plan()


def test_touched_or_renamed_file_is_not_late(tmp_path: Path, configure: Configure) -> None:
    folder = tmp_path / "data"
    _csv(folder / "a.csv", START, hours=48)
    configure(source={"kind": "csv", "path": folder})
    _ingest_next()
    os.utime(folder / "a.csv", ns=(1, 1))
    with pytest.raises(NothingToDo):
        plan()
    (folder / "a.csv").rename(folder / "archived.csv")
    with pytest.raises(NothingToDo):
        plan()


def test_reading_lands_in_the_window_in_which_it_became_known(tmp_path: Path, configure: Configure) -> None:
    (tmp_path / "load.csv").write_text(
        "time,load_kw,available_at\n2024-01-01T00:00Z,1,\n2024-01-02T00:00Z,2,2024-01-02T01:00Z\n"
        "2024-01-01T00:00Z,9,2024-01-02T12:00Z\n2024-01-03T00:00Z,3,\n",
        encoding="utf-8",
    )
    configure(source={"kind": "csv", "path": tmp_path / "load.csv"}, replay_start="2024-01-02T00:00:00+00:00")
    assert _ingest_next()[1]["load_kw"].to_list() == [1.0]
    _, landed = _ingest_next()
    assert landed["load_kw"].to_list() == [2.0, 9.0]
    assert landed["available_at"][1] == datetime(2024, 1, 2, 12, tzinfo=UTC)


def test_unreadable_rows_land_with_their_neighbours(tmp_path: Path, configure: Configure) -> None:
    (tmp_path / "load.csv").write_text(
        "time,zone,load_kw\nheader again,,\n2024-01-01 00:00,A,1\ngarbage,A,2\n2024-01-02 00:00,A,3\n"
        "2024-01-02 01:00,A\n2024-01-02 02:00,A,4\n",
        encoding="utf-8",
    )
    configure(source={"kind": "csv", "path": tmp_path / "load.csv"}, replay_start="2024-01-02T00:00:00+00:00")
    _, history = _ingest_next()
    _, day = _ingest_next()
    assert history["raw_time"].to_list() == ["header again", None, "garbage"]
    assert day["raw_time"].to_list() == [None, "2024-01-02 01:00,A", None]
    assert history["row_number"].to_list() == [0, 1, 2]


def test_parquet_and_compressed_csv_are_read_beside_each_other(tmp_path: Path, configure: Configure) -> None:
    import gzip

    folder = tmp_path / "data"
    _csv(folder / "b.csv", START + timedelta(days=1), hours=24)
    (folder / "b.csv.gz").write_bytes(gzip.compress((folder / "b.csv").read_bytes()))
    (folder / "b.csv").unlink()
    times = pl.datetime_range(START, START + timedelta(hours=23), "1h", eager=True, time_zone="UTC")
    pl.DataFrame({"time": times, "zone": ["A"] * 24, "load_kw": range(24)}).write_parquet(folder / "a.parquet")
    (folder / ".unfinished.csv").write_text("time\n", encoding="utf-8")
    configure(source={"kind": "files", "path": folder})
    _, landed = _ingest_next()
    assert landed.group_by("source_ref").len().sort("source_ref").rows() == [("a.parquet", 24), ("b.csv.gz", 48)]


def test_missing_and_damaged_files_are_named(tmp_path: Path, configure: Configure) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    configure(source={"kind": "files", "path": folder})
    with pytest.raises(NoFiles, match="holds no file"):
        plan()
    (folder / "a.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(DamagedFile, match=r"a\.parquet"):
        plan()
    configure(source={"kind": "files"})
    with pytest.raises(ConfigurationError, match=r"source\.path"):
        plan()


def test_wrong_time_format_is_an_error_and_not_a_batch_of_junk(tmp_path: Path, configure: Configure) -> None:
    (tmp_path / "load.csv").write_text("time,load_kw\n31.12.2024 00:00,1\n", encoding="utf-8")
    configure(source={"kind": "csv", "path": tmp_path / "load.csv"})
    with pytest.raises(NoReadableTimes, match=r"31\.12\.2024"):
        plan()


def test_relative_path_is_beside_the_settings_file(
    tmp_path: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    _csv(tmp_path / "data" / "load.csv", START, hours=48)
    configure(source={"kind": "csv", "path": "data"})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert plan()["start"] == "2024-01-01T00:00:00+00:00"


def test_wall_clock_plans_up_to_the_last_whole_interval(tmp_path: Path, configure: Configure) -> None:
    now = datetime.now(UTC)
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=30)
    _csv(tmp_path / "load.csv", first, hours=60)
    root = configure(
        source={"kind": "csv", "path": tmp_path / "load.csv", "interval_minutes": 60}, clock="wall"
    ).lake_root
    window = plan()
    assert datetime.fromisoformat(window["start"]) == first
    assert datetime.fromisoformat(window["end"]) in (first + timedelta(hours=30), first + timedelta(hours=31))
    ingest(**window)
    weather = read_weather(root)
    assert set(weather["kind"]) == {"forecast"}, "a temperature of a coming hour can only be a forecast"
    assert weather["time"].min() == datetime.fromisoformat(window["end"])
    with pytest.raises(NothingToDo, match="no interval has ended"):
        plan()


def test_measured_temperature_of_coming_hours_is_marked_as_actual(tmp_path: Path, configure: Configure) -> None:
    path = tmp_path / "load.csv"
    _csv(path, START, hours=24 * 5, zones=("A",))
    with path.open("a", encoding="utf-8") as file:
        file.write("2024-01-03 05:00,B,1,999\n")
    root = configure(source={"kind": "csv", "path": path}, replay_start="2024-01-03T00:00:00+00:00").lake_root
    result, _ = _ingest_next()
    weather = read_weather(root)
    assert result["weather_rows"] == weather.height == 48
    assert set(weather["kind"]) == {"actual"}
    assert set(weather["zone"]) == {"A"}, "999 degrees are left out"
    assert set(weather["available_at"]) == {START + timedelta(days=2)}


def test_explicit_forecasts_were_known_a_day_ahead(tmp_path: Path, configure: Configure) -> None:
    rows = "".join(f"{START + timedelta(hours=hour):%Y-%m-%dT%H:%M}Z,1,5,6\n" for hour in range(96))
    header = "time,load_kw,temperature_c,temperature_forecast_c\n"
    (tmp_path / "load.csv").write_text(header + rows, encoding="utf-8")
    path = tmp_path / "load.csv"
    root = configure(source={"kind": "csv", "path": path}, replay_start="2024-01-03T00:00:00+00:00").lake_root
    _ingest_next()
    forecast = read_weather(root).filter(pl.col("kind") == "forecast")
    assert forecast.height == 96
    assert (forecast["time"] - forecast["available_at"] == timedelta(hours=24)).all()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.one_of(
            st.integers(0, 200).map(lambda hour: f"{START + timedelta(hours=hour):%Y-%m-%d %H:%M},A,{hour}"),
            st.sampled_from(["junk", "x,A,1", ",,", '"', "2024-01-01 05:00,A,1,2"]),
        ),
        min_size=1,
        max_size=30,
    ),
    cut_h=st.integers(1, 199),
)
def test_a_window_cut_in_two_lands_the_same_rows(
    lines: list[str], cut_h: int, tmp_path: Path, configure: Configure
) -> None:
    path = tmp_path / "load.csv"
    path.write_text("time,zone,load_kw\n2024-01-01 00:00,A,0\n" + "\n".join(lines) + "\n", encoding="utf-8")
    source = FilesSource(configure(source={"kind": "csv", "path": path}))
    end, cut = START + timedelta(hours=300), START + timedelta(hours=cut_h)
    whole = source.read(Window(START, end))
    halves = pl.concat([source.read(Window(START, cut)), source.read(Window(cut, end))])
    assert whole.height == 1 + sum(1 for line in lines if line.strip())
    order = ["time", "raw_time", "load_kw", "anchor"]
    assert whole.sort(order).equals(halves.sort(order))
    assert not whole[LATE].any()
