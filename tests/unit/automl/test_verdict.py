"""Slices are held against what serves now, once there is enough of it to see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from smartgrid.automl.champion import Champion
from smartgrid.automl.cost import Cost
from smartgrid.automl.verdict import beside_served, facts_of
from smartgrid.evaluation.gate_policy import load_policy
from smartgrid.evaluation.gates import check
from smartgrid.evaluation.slices import DayKinds, slice_scores
from smartgrid.features.schema import FeatureSchema, feature_names

START = datetime(2024, 1, 1, tzinfo=UTC)
KINDS = DayKinds("UTC", None)
SCHEMA = FeatureSchema(
    names=feature_names("none"), zones=["A"], interval_minutes=60, timezone="UTC", holidays=None, temperature="none"
)


def backtest(first_day: int, days: int, error: float) -> pl.DataFrame:
    hours = [START + timedelta(hours=hour) for hour in range(first_day * 24, (first_day + days) * 24)]
    return pl.DataFrame(
        {
            "zone": "A",
            "target_time": hours,
            "issue_time": [hour.replace(hour=0) for hour in hours],
            "actual_kw": 100.0,
            "predicted_kw": 100.0 * (1 + error),
        }
    ).with_columns(pl.col("target_time", "issue_time").cast(pl.Datetime("us", "UTC")))


@pytest.mark.parametrize(("served_days", "worse"), [(28, False), (27, True)])
def test_a_winner_worse_than_the_refit_passes_only_if_what_serves_has_become_worse_still(
    served_days: int, worse: bool
) -> None:
    winner, refitted = backtest(0, 56, 0.05), backtest(0, 56, 0.03)
    served = backtest(56 - served_days, served_days, 0.10)
    by_slice = {"tpot": slice_scores(winner, KINDS, {}), "champion": slice_scores(refitted, KINDS, {})}
    by_slice |= beside_served(winner, served, KINDS, {})
    champion = Champion(1, "run", "tpot", frozenset({"A"}), Cost(), refitted, served)
    results = check(load_policy(), facts_of("tpot", by_slice, {}, None, SCHEMA, champion, None))
    zone = next(result for result in results if result.slice == "zone:A")
    assert zone.passed is not worse
    assert zone.limit == pytest.approx(3.5 if worse else 11.5)
