from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from smartgrid.ingest.csv_table import read_csv_table
from smartgrid.ingest.landing import SOURCE_SCHEMA
from smartgrid.ingest.mapping import MissingColumns
from smartgrid.ingest.normalise import normalise
from smartgrid.settings import Source


def _rows(text: str, timezone: str = "UTC", **settings: Any) -> pl.DataFrame:
    source = Source(**{"kind": "csv", **settings})
    rows = normalise(read_csv_table(text.encode(), source.separator), source, timezone, "meters.csv")
    assert rows.schema == SOURCE_SCHEMA
    return rows


def test_energy_in_fahrenheit_and_local_time_becomes_the_landing_schema() -> None:
    rows = _rows(
        "ts,meter,kwh,temp_f\n2024-07-01 00:00,M1,2.5,50\n",
        "America/New_York",
        columns={"time": "ts", "zone": "meter", "load": "kwh", "temperature": "temp_f"},
        units={"load": "kWh", "temperature": "F"},
        interval_minutes=15,
    )
    row = rows.row(0, named=True)
    assert row["time"] == datetime(2024, 7, 1, 4, tzinfo=UTC)
    assert (row["zone"], row["load_kw"], row["source_ref"]) == ("M1", 10.0, "meters.csv")
    assert row["temperature_c"] == pytest.approx(10.0)


def test_junk_keeps_its_text_and_its_row() -> None:
    rows = _rows("time,load_kw,temperature_c\nnoon,5,20\n2024-01-01,broken,warm\n2024-01-02,,\n2024-01-03,nan,1\n")
    assert rows["raw_time"].to_list() == ["noon", None, None, None]
    assert rows["raw_load"].to_list() == [None, "broken", None, "nan"]
    assert rows["raw_temperature"].to_list() == [None, "warm", None, None]
    assert rows["load_kw"].to_list() == [5.0, None, None, None]


def test_malformed_line_is_a_row_with_its_text() -> None:
    rows = _rows("time,load_kw\n2024-01-01,1\n2024-01-02,1,2,3\n")
    assert rows.row(1, named=True)["raw_time"] == "2024-01-02,1,2,3"
    assert rows.row(1, named=True)["zone"] is None


def test_times_at_the_end_of_the_interval_become_its_start() -> None:
    rows = _rows("time,load_kw\n2024-01-01 01:00,1\n", time_is_interval_end=True)
    assert rows["time"].to_list() == [datetime(2024, 1, 1, tzinfo=UTC)]


def test_interval_ends_cross_the_repeated_hour_in_step() -> None:
    ends = ["01:00", "02:00", "02:00", "03:00"]
    text = "time,load_kw\n" + "".join(f"2024-10-27 {end},1\n" for end in ends)
    rows = _rows(text, "Europe/Berlin", time_is_interval_end=True)
    assert [moment.hour for moment in rows["time"]] == [22, 23, 0, 1]


def test_wide_table_has_one_row_per_zone_in_the_order_of_the_file() -> None:
    rows = _rows(
        "time;North;South;temp;remark\n"
        '01.07.2024 00:00;"1.234,5";7,25;20,5;fine\n'
        "01.07.2024 01:00;x;8;21;\n;;;;\n1;2\n",
        wide=True,
        separator=";",
        decimal_comma=True,
        time_format="%d.%m.%Y %H:%M",
        columns={"temperature": "temp"},
    )
    assert rows["zone"].to_list() == ["North", "South"] * 3 + [None]
    assert rows["load_kw"].to_list() == [1234.5, 7.25, None, 8.0, None, None, None]
    assert rows["temperature_c"].to_list()[:4] == [20.5, 20.5, 21.0, 21.0]
    assert rows["raw_load"].to_list()[2] == "x"
    assert rows["raw_time"].to_list()[-1] == "1;2"


def test_obvious_names_are_found_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "smartgrid"):
        rows = _rows("Timestamp,Feeder,MWh,Temperature\n2024-01-01,F7,0.5,3\n", interval_minutes=30)
    assert rows.select("zone", "load_kw", "temperature_c").row(0) == ("F7", 1000.0, 3.0)
    assert "'Timestamp'" in caplog.text
    assert "MWh" in caplog.text


def test_explicit_mapping_wins_over_obvious_names() -> None:
    rows = _rows("time,load_kw,other\n2024-01-01,1,2\n", columns={"load": "other"})
    assert rows["load_kw"].to_list() == [2.0]


def test_source_without_a_zone_column_is_one_zone() -> None:
    assert _rows("time,load_kw\n2024-01-01,1\n", zone="PLANT")["zone"].to_list() == ["PLANT"]


def test_missing_columns_name_the_settings_and_what_is_there() -> None:
    with pytest.raises(MissingColumns) as caught:
        _rows("when,usage\n2024-01-01,1\n", columns={"load": "kw_total"})
    assert caught.value.missing["source.columns.load"] == "kw_total"
    assert "source.columns.time" in caught.value.missing
    assert caught.value.found == ["when", "usage"]


def test_wrong_separator_is_pointed_out() -> None:
    with pytest.raises(MissingColumns, match=r"source\.separator"):
        _rows("time;load_kw\n2024-01-01;1\n")
