from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.mining.outage_log import ImportedLog, read_outage_log
from smartgrid.mining.outage_times import UnreadableTime, parse_local
from smartgrid.mining.run_errors import OutageLogUnusable
from smartgrid.settings import OutageLog

HEAD = "state,began,ended,cause,customers\n"


def imported(tmp_path: Path, text: str, **mapping: object) -> ImportedLog:
    path = tmp_path / "log.csv"
    path.write_text(text, encoding="utf-8")
    fields = {
        "path": path, "start": ["began"], "end": ["ended"], "place": "state", "items": {"cause": "cause"},
        "numbers": {"customers": "customers"}, "limits": {"customers": [1000, 50000]},
    }  # fmt: skip
    return read_outage_log(OutageLog.model_validate(fields | mapping), "America/Chicago")


def test_each_row_tells_an_outage_and_its_columns(tmp_path: Path) -> None:
    log = imported(tmp_path, HEAD + 'TX,2011-07-01 17:00,2011-07-01 18:30,storm,"70,000"\n')
    assert log.rejected == ()
    assert log.events.select("place", "event", "value", "unit", "source").rows() == [
        ("TX", "cause=storm", None, "", "log.csv:2"),
        ("TX", "customers>=50000", 70000.0, "customers", "log.csv:2"),
        ("TX", "outage", 90.0, "minutes", "log.csv:2"),
    ]
    assert set(log.events["start"]) == {datetime(2011, 7, 1, 22, tzinfo=UTC)}
    assert set(log.events["end"]) == {datetime(2011, 7, 1, 23, 30, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("TX,,2011-07-01 18:30,storm,5", "start_missing"),
        ("TX,yesterday,2011-07-01 18:30,storm,5", "start_unreadable"),
        ("TX,7/4/2011 10:00,2011-07-04 18:30,storm,5", "start_unreadable"),  # day or month first?
        ("TX,2011-03-13 02:30,2011-07-01 18:30,storm,5", "start_does_not_exist"),
        (",2011-07-01 17:00,2011-07-01 18:30,storm,5", "place_missing"),
        ("TX,2011-07-01 17:00,2011-07-01 16:30,storm,5", "end_before_start"),
        ("TX,2011-07-01 17:00,soon,storm,5", "end_unreadable"),
        ("TX,2011-07-01 17:00,2011-07-01 18:30,storm,many", "not_a_number"),
        ("TX,2011-07-01 17:00,2011-07-01 18:30,storm,inf", "number_out_of_range"),
        ("TX,2011-07-01 17:00,2011-07-01 18:30,storm,-4", "number_out_of_range"),
        ("TX,2011-07-01 17:00,2011-07-01 18:30,storm,5,6", "too_many_columns"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line_and_reason_and_the_others_stay(
    tmp_path: Path, row: str, reason: str
) -> None:
    log = imported(tmp_path, HEAD + "TX,2011-07-01 17:00,,storm,NA\n" + row + "\n")
    assert [(one.line, one.reason) for one in log.rejected] == [(3, reason)]
    assert log.accepted == 1
    assert log.events["event"].to_list() == ["cause=storm", "outage"]


def test_times_of_two_columns_places_and_rows_have_their_own_zones(tmp_path: Path) -> None:
    rows = ["TX,2012-01-05 00:00:00,5:00:00 PM,", "NY,2012-01-05,17:00:00,", "HI,2012-01-05,17:00,Pacific/Honolulu"]
    text = "\n".join(["where,day,hour,tz", *rows])
    log = imported(
        tmp_path, text, start=["day", "hour"], end=[], place="where", items={}, numbers={}, limits={},
        timezone_column="tz", place_timezones={"NY": "America/New_York"},
    )  # fmt: skip
    assert {row["place"]: row["start"].hour for row in log.events.iter_rows(named=True)} == {
        "TX": 23,
        "NY": 22,
        "HI": 3,
    }


def test_a_duration_stands_in_for_the_end(tmp_path: Path) -> None:
    log = imported(
        tmp_path, "state,began,minutes\nTX,2011-07-01T17:00:00Z,90\n", end=[], duration_minutes="minutes", items={},
        numbers={}, limits={},
    )  # fmt: skip
    [row] = log.events.iter_rows(named=True)
    assert (row["end"] - row["start"]).total_seconds() == 5400


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"place": "zone"}, "no column zone among state, began"),
        ({"limits": {}}, "limits.customers is empty"),
        ({"path": Path("/no/such/file.csv")}, "No such file"),
    ],
)
def test_a_log_that_does_not_fit_the_mapping_is_refused(tmp_path: Path, mapping: dict[str, object], said: str) -> None:
    with pytest.raises(OutageLogUnusable, match=said):
        imported(tmp_path, HEAD, **mapping)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"start,zone\n\xff\xfe\x00,Z1\n")
    with pytest.raises(OutageLogUnusable, match="UTF-8"):
        read_outage_log(OutageLog(path=path), "UTC")


@pytest.mark.parametrize(
    "text", ["2011-07-01 17:00:00", "Friday, July 1, 2011 5:00:00 PM", "1 Jul 2011 17:00", "20110701T170000"]
)
def test_unmistakable_ways_to_write_a_time_are_read(text: str) -> None:
    assert parse_local([text], None, ZoneInfo("UTC")) == datetime(2011, 7, 1, 17, tzinfo=UTC)


def test_a_given_format_settles_what_is_day_and_what_is_month() -> None:
    assert parse_local(["7/4/2011", "17:00"], "%m/%d/%Y %H:%M", ZoneInfo("UTC")).month == 7
    assert parse_local(["7/4/2011", "17:00"], "%d/%m/%Y %H:%M", ZoneInfo("UTC")).month == 4


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_an_error(text: str) -> None:
    with contextlib.suppress(UnreadableTime):
        assert parse_local([text], None, ZoneInfo("UTC")).tzinfo is not None
