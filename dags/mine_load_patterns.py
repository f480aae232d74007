"""
### Mine the load patterns

K-Means of the daily load shapes of all zones (which patterns there are, which zone has which), and DBSCAN of each
zone's days (which days do not fit, in which hours, by how many kW). Compared with the last run.

**Starts** every Monday at 04:00 UTC, or by hand with a form.
**Makes** the asset `load_patterns`. A zone that changes its pattern by itself, or is odd for most of a week, becomes
an event that people are notified of.

| parameter | meaning |
|---|---|
| `days` | local days of the window; empty: `SMARTGRID_MINING__DAYS` (364) |
| `end` | the window ends at this local midnight, e.g. `2008-01-20T00:00:00-05:00`; empty: data time |
| `k` | number of clusters; empty: chosen by silhouette and stability |

| task | step | does |
|---|---|---|
| `prepare` | `mining.prepare_patterns` | fixes window and data; skipped without measurements |
| `cluster` | `mining.cluster_days` | K-Means |
| `outliers` | `mining.find_outliers` | DBSCAN |
| `conclude` | `mining.conclude_patterns` | compares, stores, draws, reports |

What changed is in the note of the run; pictures, zones and days are on the page Load patterns.

**Recover**: clear the failed task. The same window, data and parameters are the same run: repeating replaces its
results and notifies nobody again. `end` mines an earlier window again after its data were corrected.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag

from smartgrid.orchestration.assets import LOAD_PATTERNS
from smartgrid.orchestration.defaults import DEFAULT_ARGS, tags
from smartgrid.orchestration.mining import window_params
from smartgrid.orchestration.step import step


@dag(
    # No start date, no immediate run: a new installation has no week to look back on.
    schedule=CronTriggerTimetable("0 4 * * 1", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=2,
    default_args=DEFAULT_ARGS,
    params={
        **window_params(),
        "k": Param(
            None, type=["null", "integer"], minimum=2, maximum=20, title="Clusters", description="Empty: chosen."
        ),
    },
    tags=tags("mining"),
    doc_md=__doc__,
)
def mine_load_patterns() -> None:
    asked = {"days": "{{ params.days }}", "end": "{{ params.end }}", "k": "{{ params.k }}"}
    prepare = step("prepare", "mining.prepare_patterns", asked)
    run = {"run_id": "{{ ti.xcom_pull(task_ids='prepare')['run_id'] }}"}
    cluster = step("cluster", "mining.cluster_days", run)
    outliers = step("outliers", "mining.find_outliers", run)
    conclude = step("conclude", "mining.conclude_patterns", run, outlets=[LOAD_PATTERNS])
    prepare >> [cluster, outliers] >> conclude


mine_load_patterns()
