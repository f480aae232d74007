"""
### Ingest measurements

Brings the next window of measurements from the source to the lake, exactly as received, and moves the replay clock
to the end of that window. Data are judged later, by `validate_measurements`.

**Starts** on the cron of `SMARTGRID_INGEST_SCHEDULE` (hourly by default; empty: by hand only).
**Makes** the asset `measurements`, which starts `validate_measurements`.

| task | step | does |
|---|---|---|
| `plan` | `ingest.plan` | decides the window; skipped with a reason when there is nothing new |
| `ingest` | `ingest.ingest` | lands the window as one batch |

**Recover**: clear the failed task. A batch is named by its window and content, so repeating changes nothing.
Exit code 2 means wrong settings: run `smartgrid config show`, correct `SMARTGRID_SOURCE__*`, clear the task.
A source that is down is tried four times over about two minutes; the next run takes up the same window.
"""

from airflow.sdk import dag

from smartgrid.orchestration.assets import MEASUREMENTS
from smartgrid.orchestration.defaults import DEFAULT_ARGS, START_DATE, tags
from smartgrid.orchestration.step import step
from smartgrid.settings import get_settings


@dag(
    schedule=get_settings().ingest_schedule,
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,
    default_args=DEFAULT_ARGS,
    tags=tags("data"),
    doc_md=__doc__,
)
def ingest_measurements() -> None:
    plan = step("plan", "ingest.plan")
    # The window is an argument, not "now": a retry an hour later lands the same window.
    ingest = step(
        "ingest",
        "ingest.ingest",
        {
            "start": "{{ ti.xcom_pull(task_ids='plan')['start'] }}",
            "end": "{{ ti.xcom_pull(task_ids='plan')['end'] }}",
        },
        outlets=[MEASUREMENTS],
    )
    plan >> ingest


ingest_measurements()
