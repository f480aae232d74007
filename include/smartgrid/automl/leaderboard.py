"""The rows of a leaderboard: candidates, naive forecasts, the model in service, and who is out and why."""

from __future__ import annotations

from typing import Any

import polars as pl

from smartgrid.automl.champion import Champion
from smartgrid.automl.ensemble import ENSEMBLE
from smartgrid.automl.selection import Selection
from smartgrid.evaluation.backtest import SYSTEM, system_total
from smartgrid.evaluation.metrics import Scores, score

CHAMPION = "champion"
DURATIONS = ("search_s", "wall_s", "cpu_s")
COSTS = ("size_mb", "ms_per_row", "largest_difference", "export_s")


def zone_scores(tables: dict[str, pl.DataFrame], scales: dict[str, float]) -> dict[tuple[str, str], Scores]:
    """Scores by (candidate, zone), the system total as zone `SYSTEM`."""
    scores: dict[tuple[str, str], Scores] = {}
    for name, table in tables.items():
        for (zone,), part in pl.concat([table, system_total(table)]).group_by("zone", maintain_order=True):
            scores[name, str(zone)] = score(
                part["actual_kw"].to_numpy(), part["predicted_kw"].to_numpy(), scales.get(str(zone))
            )
    return scores


def leaderboard_rows(
    scores: dict[tuple[str, str], Scores],
    selection_mape: dict[str, float | None],
    details: dict[str, dict[str, Any]],
    failed: dict[str, str],
    selection: Selection,
    champion: Champion | None,
) -> list[dict[str, Any]]:
    """Rows of the system total by the MAPE of the test window, best first; failures last with their reason."""
    rows = []
    for (name, zone), values in scores.items():
        if zone != SYSTEM:
            continue
        own = details.get(name, {})
        row: dict[str, Any] = {
            "candidate": name,
            "zone": SYSTEM,
            **values.as_dict(),
            "selection_mape_percent": selection_mape.get(name),
            **{key: own[key] for key in DURATIONS if key in own},
            **{key: value for key in COSTS if (value := (own.get("export") or {}).get(key)) is not None},
        }
        if name == selection.winner:
            row["winner"] = True
        reason = selection.reasons.get(name)
        if name == ENSEMBLE and selection.mix is not None:
            row["members"] = dict(zip(selection.mix.members, selection.mix.weights, strict=True))
        if name == CHAMPION and champion is not None:
            reason = f"in service: version {champion.version} ({champion.trainer}), refitted like the others"
        rows.append(row | ({"reason": reason} if reason else {}))
    rows.sort(key=lambda row: (row["mape_percent"] is None, row["mape_percent"] or 0.0, row["rmse_kw"] or 0.0))
    return rows + [
        {"candidate": name, "zone": SYSTEM, "failed": reason, "reason": reason}
        for name, reason in sorted(failed.items())
    ]
