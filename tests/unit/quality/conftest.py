"""Landing rows of a made-up grid, and rules to judge them by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest
from landing_rows import START, as_landing, readings

from smartgrid.quality.rules import Rules, microseconds

HOUR_US = 3_600_000_000


def landing_frame(zones: int = 3, hours: int = 24 * 28, seed: int = 7, start: datetime = START) -> pl.DataFrame:
    """Landing rows of a made-up grid."""
    return as_landing(readings(zones, hours, seed, start))


@pytest.fixture
def make_landing() -> Callable[..., pl.DataFrame]:
    return landing_frame


@pytest.fixture
def rules() -> Rules:
    return Rules(interval_us=HOUR_US, future_from_us=microseconds(datetime(2022, 1, 1, tzinfo=UTC)))
