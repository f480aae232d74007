"""A few misdated rows do not move the end of the data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from smartgrid.ingest.plausible_end import plausible_end

START = datetime(2020, 1, 1, tzinfo=UTC)


def series(*extra: datetime, hours: int = 1000) -> pl.Series:
    return pl.Series([START + timedelta(hours=hour) for hour in range(hours)] + list(extra)).cast(
        pl.Datetime("us", "UTC")
    )


def test_without_strays_it_is_the_last_time() -> None:
    assert plausible_end(series()) == START + timedelta(hours=999)


def test_one_row_of_the_far_future_is_left_out() -> None:
    assert plausible_end(series(datetime(2099, 1, 1, tzinfo=UTC))) == START + timedelta(hours=999)


def test_one_row_years_after_the_rest_is_left_out() -> None:
    assert plausible_end(series(datetime(2023, 6, 1, tzinfo=UTC))) == START + timedelta(hours=999)


def test_data_that_go_on_after_a_gap_count() -> None:
    later = [START + timedelta(days=200, hours=hour) for hour in range(100)]
    assert plausible_end(series(*later)) == later[-1]


def test_a_short_file_is_never_cut() -> None:
    assert plausible_end(series(START + timedelta(days=90), hours=5)) == START + timedelta(days=90)


def test_no_time_at_all_gives_none() -> None:
    assert plausible_end(pl.Series([None], dtype=pl.Datetime("us", "UTC"))) is None
