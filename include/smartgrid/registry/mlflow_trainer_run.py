"""One trainer of a tournament as an MLflow run below that of the tournament."""

from __future__ import annotations

from typing import Any

from smartgrid.registry.mlflow_values import DURATIONS, log_batch, scalars, scores_of
from smartgrid.registry.run_folder import RunFolder

TRAINER_TAG = "smartgrid.trainer"
PARENT_TAG = "mlflow.parentRunId"
MAX_POINTS = 900  # one request takes a thousand metrics


def log_trainer(client: Any, parent: Any, run: RunFolder, trainer: str, outcome: dict[str, Any]) -> None:
    """One trainer as a run below the tournament; one that failed has the status FAILED and its reason."""
    from mlflow.entities import Metric

    parent_id, experiment_id = parent.info.run_id, parent.info.experiment_id
    query = f"tags.`{PARENT_TAG}` = '{parent_id}' and tags.`{TRAINER_TAG}` = '{trainer}'"
    found = client.search_runs([experiment_id], query, max_results=1)
    child = (
        found[0]
        if found
        else client.create_run(
            experiment_id, tags={PARENT_TAG: parent_id, TRAINER_TAG: trainer}, run_name=f"{run.run_id} {trainer}"
        )
    )
    child_id, failed = child.info.run_id, outcome.get("failed")
    leaderboard = run.leaderboard if (run.path / "leaderboard.json").is_file() else {"rows": []}
    row: dict[str, Any] = next((row for row in leaderboard["rows"] if row["candidate"] == trainer), {})
    parameters = scalars({name: value for name, value in outcome.items() if name not in (*DURATIONS, "failed")})
    run_tags = {"mlflow.note.content": str(failed)} if failed else {}
    log_batch(client, child, parameters, scores_of(outcome | row), run_tags)
    points = run.progress().get(trainer, [])[:MAX_POINTS]
    if points:
        moment = child.info.start_time
        client.log_batch(
            child_id,
            metrics=[
                Metric("trial_error", point["score"], moment + round(point["elapsed_s"] * 1000), point["trial"])
                for point in points
            ],
        )
    client.log_dict(child_id, outcome, "candidate.json")
    if failed:
        client.log_text(child_id, str(failed), "failure.txt")
    client.set_terminated(child_id, "FAILED" if failed else "FINISHED")
