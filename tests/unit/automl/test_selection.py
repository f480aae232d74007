"""The winner is the smallest error that can be told apart, or the cheapest of those that cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from smartgrid.automl.cost import Cost
from smartgrid.automl.ensemble import mean_table, stack_weights
from smartgrid.automl.selection import Selection, choose
from smartgrid.evaluation.gate_policy import load_policy

DAYS = 28
START = datetime(2024, 1, 1, tzinfo=UTC)
LIGHT = Cost(5, 0.1, 100)


def table(error: np.ndarray) -> pl.DataFrame:
    """A backtest of one zone with relative errors (days, 24)."""
    days = error.shape[0]
    actual = np.random.default_rng(0).uniform(80, 120, (days, 24))
    hours = [START + timedelta(hours=hour) for hour in range(days * 24)]
    return pl.DataFrame(
        {
            "zone": "A",
            "target_time": hours,
            "issue_time": [hour.replace(hour=0) for hour in hours],
            "actual_kw": actual.ravel(),
            "predicted_kw": (actual * (1 + error)).ravel(),
        }
    ).with_columns(pl.col("target_time", "issue_time").cast(pl.Datetime("us", "UTC")))


def noise(scale: float, seed: int, days: int = DAYS) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, (days, 24))


def chosen(tables: dict[str, pl.DataFrame], **costs: Cost) -> Selection:
    levels = next(iter(tables.values())).select("zone", "target_time").with_columns(pl.lit(100.0).alias("level_kw"))
    found = choose(tables, {name: costs.get(name, LIGHT) for name in tables}, levels, load_policy(), 1)
    assert found is not None
    return found


# Correlated errors: an ensemble of these is no better than its members.
SHARED = noise(0.05, 1)
# The same error for all practical purposes, and surely more.
SAME, ALIKE, WORSE = table(SHARED), table(SHARED + noise(1e-3, 2)), table(SHARED * 1.3)


def test_a_clearly_smaller_error_wins_whatever_it_costs() -> None:
    found = chosen({"dear": SAME, "cheap": WORSE}, dear=Cost(400, 9, 9000))
    assert found.winner == "dear"
    assert "with confidence" in found.reasons["cheap"]


def test_of_equals_the_one_that_needs_clearly_less_wins() -> None:
    found = chosen({"a": SAME, "b": ALIKE}, b=Cost(5, 0.1, 50))
    assert found.winner == "b"
    assert found.reasons["a"] == "lost its tie with b, which needs less"
    assert chosen({"a": SAME, "b": ALIKE}, b=Cost(5, 0.1, 90)).winner == "a"  # 10 % is no difference


@pytest.mark.parametrize("cost", [Cost(51, 0.1, 1), Cost(5, 2.1, 1)])
def test_a_candidate_too_big_or_too_slow_loses_every_tie(cost: Cost) -> None:
    found = chosen({"big": SAME, "small": ALIKE}, big=cost)
    assert found.comparisons[0]["outcome"] == "equal"
    assert found.winner == "small"
    assert "lost its tie with small: " in found.reasons["big"]


def test_independent_errors_make_an_ensemble_that_wins_with_confidence() -> None:
    tables = {name: table(noise(0.05, seed)) for name, seed in (("a", 5), ("b", 6), ("c", 7))}
    found = chosen(tables)
    assert found.mix is not None
    assert (found.winner, found.mix.taken) == ("ensemble", True)
    assert sum(found.mix.weights) == pytest.approx(1)


def test_shared_errors_make_no_ensemble() -> None:
    found = chosen({"a": SAME, "b": ALIKE})
    assert found.winner != "ensemble"
    assert found.mix is not None
    assert not found.mix.taken
    assert "not better" in found.reasons["ensemble"]


def test_a_candidate_far_behind_is_not_a_member() -> None:
    tables = {"a": table(noise(0.05, 5)), "b": table(noise(0.05, 6)), "far": table(noise(0.2, 7))}
    found = chosen(tables)
    assert found.mix is not None
    assert set(found.mix.members) == {"a", "b"}


def test_a_stack_leans_on_the_better_member() -> None:
    good, poor = table(noise(0.02, 8)), table(noise(0.08, 9))
    levels = good.select("zone", "target_time").with_columns(pl.lit(100.0).alias("level_kw"))
    weights = stack_weights([good, poor], levels)
    assert weights is not None
    assert sum(weights) == pytest.approx(1)
    # The weights of least variance of independent errors: inverse to their variances.
    assert weights[0] == pytest.approx(0.08**2 / (0.08**2 + 0.02**2), abs=0.03)
    assert stack_weights([good.head(50), poor], levels) is None


def test_the_table_of_the_mean_is_the_mean_of_the_tables() -> None:
    one, two = table(noise(0.02, 8)), table(noise(0.08, 9))
    combined = mean_table([one, two], [0.25, 0.75])
    expected = 0.25 * one["predicted_kw"].to_numpy() + 0.75 * two["predicted_kw"].to_numpy()
    np.testing.assert_allclose(combined["predicted_kw"].to_numpy(), expected)
    assert combined.columns == one.columns


def test_a_few_days_or_no_forecast_at_all_still_give_an_answer() -> None:
    short = {"a": table(noise(0.05, 1, 1)), "b": table(noise(0.2, 2, 1))}
    assert chosen(short).winner == "a"
    silent = SAME.with_columns(pl.lit(float("nan")).alias("predicted_kw"))
    assert chosen({"a": SAME, "silent": silent}).reasons["silent"] == "no forecast on the selection window"
    levels = SAME.select("zone", "target_time").with_columns(pl.lit(100.0).alias("level_kw"))
    assert choose({"silent": silent}, {"silent": LIGHT}, levels, load_policy(), 1) is None
