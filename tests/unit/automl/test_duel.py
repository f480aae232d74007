"""The model in service is left for a reason, and age is one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from smartgrid.automl.champion import Champion
from smartgrid.automl.cost import Cost
from smartgrid.automl.duel import duel
from smartgrid.evaluation.gate_policy import load_policy

START = datetime(2024, 1, 1, tzinfo=UTC)
# Two large zones and two small ones, which drown in the total.
ZONES = {"A": 100.0, "B": 100.0, "C": 1.0, "D": 1.0}
COST = Cost(5, 0.1, 100)


def backtest(scale: dict[str, float], seed: int, days: int = 28) -> pl.DataFrame:
    hours = [START + timedelta(hours=hour) for hour in range(days * 24)]
    parts = [
        pl.DataFrame(
            {
                "zone": zone,
                "target_time": hours,
                "issue_time": [hour.replace(hour=0) for hour in hours],
                "actual_kw": load_kw,
                "predicted_kw": load_kw * (1 + np.random.default_rng([seed, index]).normal(0, scale[zone], days * 24)),
            }
        )
        for index, (zone, load_kw) in enumerate(ZONES.items())
    ]
    return pl.concat(parts).with_columns(pl.col("target_time", "issue_time").cast(pl.Datetime("us", "UTC")))


def champion(refitted: pl.DataFrame, served: pl.DataFrame | None = None, cost: Cost = COST) -> Champion:
    return Champion(4, "run", "tpot", frozenset(ZONES), cost, refitted, served)


def even(scale: float, seed: int) -> pl.DataFrame:
    return backtest(dict.fromkeys(ZONES, scale), seed)


MINE = even(0.03, 1)


@pytest.mark.parametrize(
    ("refitted", "served", "cost", "won", "said"),
    [
        (even(0.06, 2), None, COST, True, "better than version 4 (tpot)"),
        (even(0.02, 2), None, COST, False, "worse than version 4 (tpot)"),
        (MINE, None, COST, False, "not cheaper"),
        (MINE, None, Cost(5, 0.1, 200), True, "equal to version 4 (tpot) and cheaper"),
        (MINE, None, Cost(60, 0.1, 1), True, "equal to version 4 (tpot) and cheaper"),
        (MINE, None, Cost(None, None, None), False, "not cheaper"),
        (MINE, even(0.06, 3), COST, True, "as it serves, on the 28 days after its data"),
        (MINE, MINE, COST, False, "not cheaper"),
        (MINE, backtest(dict.fromkeys(ZONES, 0.03) | {"C": 0.06}, 1), COST, True, "on the mean of the zones"),
    ],
)
def test_a_challenger_wins_for_a_reason_or_not(
    refitted: pl.DataFrame, served: pl.DataFrame | None, cost: Cost, won: bool, said: str
) -> None:
    found = duel(MINE, COST, champion(refitted, served, cost), load_policy(), 1)
    assert found.duel.won is won
    assert said in found.duel.reason


def test_age_in_one_zone_does_not_count_where_another_got_as_much_better() -> None:
    served = backtest(dict.fromkeys(ZONES, 0.03) | {"C": 0.05, "D": 0.01}, 1)
    found = duel(MINE, COST, champion(MINE, served), load_policy(), 1)
    assert found.served is not None
    assert (found.served.outcome, found.duel.won) == ("equal", False)
