"""Hold the winner against the gates and put the outcome into one sentence."""

from __future__ import annotations

from typing import Any

import polars as pl

from smartgrid.automl.champion import Champion
from smartgrid.automl.duel import DuelResult
from smartgrid.automl.leaderboard import CHAMPION
from smartgrid.evaluation.backtest import NAIVES
from smartgrid.evaluation.gates import BESIDE_CHAMPION, PLAUSIBILITY, QUANTILES, Facts, GateResult
from smartgrid.evaluation.metrics import Scores
from smartgrid.evaluation.slices import DayKinds, slice_scores
from smartgrid.features.schema import FeatureSchema

VERDICT_CHARACTERS = 1500
SERVED = "champion_as_served"
# Days that the model in service must not have seen before its slices are judged as it serves, and not as refitted.
MIN_SERVED_DAYS = 28
Slices = dict[str, list[dict[str, Any]]]


def facts_of(
    winner: str,
    by_slice: Slices,
    plausibility: dict[str, float],
    quantiles: dict[str, Any] | None,
    schema: FeatureSchema,
    champion: Champion | None,
    result: DuelResult | None,
) -> Facts:
    """What the gates are checked against; `by_slice` holds slice scores by candidate."""
    scores = {name: {row["slice"]: row for row in rows} for name, rows in by_slice.items() if name != winner}
    scores = {name: part for name, part in scores.items() if name in (*NAIVES, CHAMPION, BESIDE_CHAMPION)}
    if SERVED in by_slice:
        scores[CHAMPION] = {row["slice"]: row for row in by_slice[SERVED]}
    scores["winner"] = {row["slice"]: row for row in by_slice[winner]} | {PLAUSIBILITY: plausibility}
    if quantiles is not None:
        scores["winner"][QUANTILES] = quantiles
    unknown = set(schema.zones) - champion.zones if champion is not None and CHAMPION in scores else set()
    return Facts(scores, result.duel if result else None, frozenset(f"zone:{zone}" for zone in unknown))


def beside_served(winner: pl.DataFrame, served: pl.DataFrame, kinds: DayKinds, scales: dict[str, float]) -> Slices:
    """Slices of the champion as it serves and of the winner on the same days; none where those days are few.

    "No slice may get worse" is said of what serves now; its refitted recipe stands in while there is too little to see.
    """
    if served["issue_time"].n_unique() < MIN_SERVED_DAYS:
        return {}
    same_days = winner.join(served, on=["zone", "target_time"], how="semi")
    return {SERVED: slice_scores(served, kinds, scales), BESIDE_CHAMPION: slice_scores(same_days, kinds, scales)}


def sentence(
    winner: str,
    own: Scores,
    gates: list[GateResult],
    passed: bool,
    champion: Champion | None,
    result: DuelResult | None,
) -> str:
    """The verdict with its numbers, at most 1,500 characters."""
    beside = ""
    if champion is not None and champion.unavailable:
        beside = (
            f"; there is nothing to compare with of version {champion.version} in service, because "
            f"{champion.unavailable}: only the naive forecasts count"
        )
    if passed:
        against = f", and is {result.duel.reason}" if result is not None else ""
        error = "" if own.mape_percent is None else f" (MAPE {own.mape_percent:.2f} %)"
        text = f"{winner} beats both naive forecasts on the system total{error}{against}{beside}"
    else:
        refused = [_refusal(gate) for gate in gates if gate.refuses]
        why = "; ".join(refused) or "no naive forecast could be compared with"
        text = f"{winner} is refused by {why}{beside}; the model in service stays"
    return text if len(text) <= VERDICT_CHARACTERS else text[: VERDICT_CHARACTERS - 1] + "…"


def _refusal(gate: GateResult) -> str:
    if gate.comparison == "wins_against":
        return f"{gate.gate} ({gate.note})"
    value = "none" if gate.value is None else f"{gate.value:.4g}"
    limit = "none" if gate.limit is None else f"{gate.limit:.4g}"
    return f"{gate.gate} ({gate.slice}: {gate.metric} {value}, limit {limit})"
