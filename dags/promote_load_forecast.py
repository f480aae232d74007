"""
### Promote the load forecast

Publishes a registered model version to the model server: loads it, checks that it answers as it did in training, and
writes the decision to the promotion ledger.

**Starts** on the asset `candidate_model`, or by hand.
**Makes** the asset `serving_model`, which starts `forecast_load`.

| parameter | meaning |
|---|---|
| `mlflow_version` | version to publish; empty: the candidate of the event, else the newest that passed its gate |
| `reason` | written to the ledger |

**Recover**: clear the task; publishing a version that already serves changes nothing. If the model server is down the
task is retried; the previous version keeps serving all the while. To go back, trigger this DAG with the earlier
`mlflow_version` and a `reason`.
"""

from airflow.sdk import Param, dag

from smartgrid.orchestration.assets import CANDIDATE_MODEL, SERVING_MODEL
from smartgrid.orchestration.defaults import DEFAULT_ARGS, START_DATE, tags
from smartgrid.orchestration.events import from_latest_event
from smartgrid.orchestration.step import step


@dag(
    schedule=[CANDIDATE_MODEL],
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,
    default_args=DEFAULT_ARGS,
    params={
        "mlflow_version": Param(None, type=["null", "integer"], minimum=1, title="Model version"),
        "reason": Param("", type="string", title="Reason", description="Kept in the promotion ledger."),
    },
    user_defined_macros={"from_latest_event": from_latest_event},
    tags=tags("model", "serving"),
    doc_md=__doc__,
)
def promote_load_forecast() -> None:
    # The version of the event, not "the newest": another candidate may have been registered meanwhile.
    of_event = "from_latest_event(triggering_asset_events, 'mlflow_version')"
    step(
        "publish",
        "rollout.publish",
        {
            "mlflow_version": "{{ params.mlflow_version or " + of_event + " }}",
            "reason": "{{ params.reason }}",
            "decided_by": "airflow",
        },
        inlets=[CANDIDATE_MODEL],
        outlets=[SERVING_MODEL],
    )


promote_load_forecast()
