from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.errors import ConfigurationError
from smartgrid.ingest.times import parse_times


def _utc(*texts: str, timezone: str = "UTC", time_format: str | None = None) -> list[datetime | None]:
    return parse_times(pl.Series(texts, dtype=pl.String), timezone, time_format)[0].to_list()


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-02 03:00:00",
        "2024-01-02 03:00",
        "2024-01-02T03:00",
        "2024-01-02T03:00:00.000",
        "2024-01-02T03:00:00Z",
        "2024-01-02T03:00Z",
        "2024-01-02 03:00:00 UTC",
        "2024-01-02T05:00:00+02:00",
        "2024-01-02T05:00+0200",
        "2024-01-02 05:00:00 +02",
        "2024-01-01T22:00:00.000-05:00",
        "2024/01/02 03:00",
        "20240102T0300",
        "20240102T030000Z",
        "1704164400",
        "1704164400000",
        "  2024-01-02 03:00  ",
    ],
)
def test_every_usual_spelling_is_read(text: str) -> None:
    times, unread = parse_times(pl.Series([text]), "UTC")
    assert times.to_list() == [datetime(2024, 1, 2, 3, tzinfo=UTC)]
    assert unread.to_list() == [None]


@pytest.mark.parametrize(
    "text", ["x", "01.01.2024 00:00", "24-01-01 00:00", "1/2/2024", "2024-13-01", "2024-01-01 25:00"]
)
def test_what_is_no_time_is_kept_as_text(text: str) -> None:
    times, unread = parse_times(pl.Series([text]), "UTC")
    assert times.to_list() == [None]
    assert unread.to_list() == [text]


def test_nothing_is_neither_time_nor_text() -> None:
    times, unread = parse_times(pl.Series(["", None, "  "]), "UTC")
    assert times.to_list() == [None] * 3
    assert unread.to_list() == [None] * 3


def test_midnight_may_be_written_24_00() -> None:
    assert _utc("2024-12-31 24:00") == [datetime(2025, 1, 1, tzinfo=UTC)]
    assert _utc("31.12.2024 24:00", time_format="%d.%m.%Y %H:%M") == [datetime(2025, 1, 1, tzinfo=UTC)]


def test_local_day_of_spring_has_23_hours() -> None:
    times = [f"2024-03-31 {hour:02}:00" for hour in range(24)]
    read, unread = parse_times(pl.Series(times), "Europe/Berlin")
    assert read.drop_nulls().n_unique() == 23
    assert unread.drop_nulls().to_list() == ["2024-03-31 02:00"], "the clock skips this hour"
    assert (read.drop_nulls().diff().drop_nulls() == timedelta(hours=1)).all()


def test_local_day_of_autumn_has_25_hours() -> None:
    hours = [0, 1, 2, 2, *range(3, 24)]
    read = _utc(*(f"2024-10-27 {hour:02}:00" for hour in hours), timezone="Europe/Berlin")
    assert read == [datetime(2024, 10, 26, 22, tzinfo=UTC) + timedelta(hours=n) for n in range(25)]


def test_repeated_quarter_hours_are_told_apart_by_their_order() -> None:
    quarters = [f"02:{minute:02}" for minute in (0, 15, 30, 45)]
    read = _utc(*(f"2024-10-27 {clock}" for clock in quarters * 2), timezone="Europe/Berlin")
    assert read == [datetime(2024, 10, 27, tzinfo=UTC) + timedelta(minutes=15 * n) for n in range(8)]


def test_repeated_hour_of_each_zone_counts_on_its_own() -> None:
    texts = pl.Series(["2024-10-27 02:00"] * 4)
    read, _ = parse_times(texts, "Europe/Berlin", zones=pl.Series(["A", "B", "A", "B"]))
    assert [moment.hour for moment in read] == [0, 0, 1, 1]


def test_repeated_hour_of_a_file_with_the_newest_first_is_reversed() -> None:
    read = _utc(*(f"2024-10-27 0{hour}:00" for hour in (3, 2, 2, 1)), timezone="Europe/Berlin")
    assert [moment.hour for moment in read if moment] == [2, 1, 0, 23]


def test_lone_ambiguous_hour_is_the_earlier_one() -> None:
    assert _utc("2024-10-27 02:00", timezone="Europe/Berlin") == [datetime(2024, 10, 27, 0, tzinfo=UTC)]


def test_typed_times_and_epochs_of_databases_are_read() -> None:
    naive = pl.Series([datetime(2024, 7, 1, 2)])
    assert parse_times(naive, "Europe/Berlin")[0].to_list() == [datetime(2024, 7, 1, tzinfo=UTC)]
    aware = naive.dt.replace_time_zone("Europe/Berlin")
    assert parse_times(aware, "America/New_York")[0].to_list() == [datetime(2024, 7, 1, tzinfo=UTC)]
    assert parse_times(pl.Series([1704164400.0]), "UTC")[0].to_list() == [datetime(2024, 1, 2, 3, tzinfo=UTC)]
    assert parse_times(pl.Series([datetime(2024, 7, 1).date()]), "UTC")[0].to_list() == [
        datetime(2024, 7, 1, tzinfo=UTC)
    ]


def test_format_with_an_offset_ignores_the_time_zone() -> None:
    read = _utc("01.07.2024 02:00 +0200", timezone="America/New_York", time_format="%d.%m.%Y %H:%M %z")
    assert read == [datetime(2024, 7, 1, tzinfo=UTC)]


def test_format_that_polars_refuses_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="time_format"):
        parse_times(pl.Series(["01.01.2024 00"]), "UTC", "%d.%m.%Y %H")


@given(
    moments=st.lists(
        st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),
        min_size=1,
        max_size=30,
    )
)
def test_mixed_spellings_of_utc_round_trip(moments: list[datetime]) -> None:
    spellings = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00")
    texts = [moment.strftime(spellings[n % 3]) for n, moment in enumerate(moments)]
    assert _utc(*texts) == [moment.replace(tzinfo=UTC) for moment in moments]
