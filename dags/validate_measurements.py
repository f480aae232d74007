"""
### Validate measurements

Runs Great Expectations over every landed batch, accepts good rows into the lake and quarantines the others, each with
a reason code. A finding of stop severity (for example more than half of a batch rejected) fails the run, so that
nothing is forecast from it.

**Starts** on the asset `measurements`, or by hand.
**Makes** the asset `validated_measurements`, which starts `forecast_load`.

| parameter | meaning |
|---|---|
| `batch_id` | validate this batch alone; empty: every landed batch (one run may serve several events) |

**Recover**: read the reasons in the task log or on the Smart Grid page. Correct the source or `SMARTGRID_LIMITS__*`,
then ingest the window again: a corrected batch has a new identifier and its rows replace the earlier ones.
To validate a batch again under new limits, trigger this DAG with its `batch_id`.
"""

from airflow.sdk import Param, dag

from smartgrid.orchestration.assets import MEASUREMENTS, VALIDATED_MEASUREMENTS
from smartgrid.orchestration.defaults import DEFAULT_ARGS, START_DATE, tags
from smartgrid.orchestration.step import step


@dag(
    schedule=[MEASUREMENTS],
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,
    default_args=DEFAULT_ARGS,
    params={
        "batch_id": Param(
            None, type=["null", "string"], title="Batch", description="Empty: every landed batch that waits."
        )
    },
    tags=tags("data", "quality"),
    doc_md=__doc__,
)
def validate_measurements() -> None:
    step(
        "validate",
        "quality.validate",
        # An attempt that was killed after its work must still announce it: the forecast waits for the asset.
        {"batch_id": "{{ params.batch_id }}", "retry": "{{ ti.try_number > 1 }}"},
        inlets=[MEASUREMENTS],
        outlets=[VALIDATED_MEASUREMENTS],
    )


validate_measurements()
