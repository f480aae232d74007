"""
### Mine on request

Works off one request of the analytics API that is too large to be answered at once: K-Means, DBSCAN, Apriori or
FP-Growth on data that were sent or named. The API stores the request, starts this DAG with its id, and answers
`GET /api/v1/analytics/data-mining/jobs/ID` with the result.

**Starts** by the analytics API, under the name of the caller; the run has the id of the job.
**Makes** `HOME/mining/jobs/ID/result.json`, or `refusal.json` when the data or parameters are wrong.

| parameter | meaning |
|---|---|
| `job_id` | which stored request |
| `sha256` | of the stored request; a changed one is refused |

**Recover**: a run that failed for want of memory or time can be cleared here, its request is still stored for some
days. A refused request is not tried again: its answer says which field is wrong, and the caller sends another. To
cancel a job, send `DELETE` to its address, or mark the run as failed: both end what it runs.
"""

from airflow.sdk import Param, dag

from smartgrid.orchestration.defaults import DEFAULT_ARGS, START_DATE, tags
from smartgrid.orchestration.step import step


@dag(
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    # Requests wait for each other, not for the pipelines: mining takes whole processors.
    max_active_runs=1,
    max_active_tasks=1,
    default_args=DEFAULT_ARGS | {"retries": 1},
    params={
        "job_id": Param("", type="string", title="Job", description="Id of a stored request."),
        "sha256": Param("", type="string", title="Checksum", description="SHA-256 of the stored request."),
    },
    tags=tags("mining", "api"),
    doc_md=__doc__,
)
def mine_on_request() -> None:
    step(
        "answer",
        "mining.answer_request",
        {"job_id": "{{ params.job_id }}", "sha256": "{{ params.sha256 }}"},
    )


mine_on_request()
