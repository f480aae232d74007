"""
### Refresh Power BI

Refreshes the datasets of the reports after the pipelines whose results they show: once for pipelines that end close
together, within the daily budget, and with the true end of the refresh as the state of the task.

**Starts** on the asset `load_forecast`, `load_patterns` or `model_health`, as far as they exist, or by hand.
**Makes** the asset `power_bi_dataset`, once for each dataset that completed.

| task | does |
|---|---|
| `datasets` | which datasets (`POWERBI_DATASETS`, or the connection `powerbi_default`); skipped with what is missing |
| `refresh` | one for each: asks, waits deferred, ends as the refresh ended; link to the dataset |

A refresh that runs already is waited for. Skipped with the reason: no credentials, or the budget of 24 hours
(`POWERBI_DAILY_BUDGET`) is spent; the event `powerbi_budget_spent` tells when the next may start.

**Recover**: the words of the service are in the log and in the event `powerbi_refresh_failed`. Correct what they name
(credentials of the data source or gateway, most often), then clear `refresh`. Clearing or marking a waiting task
cancels an enhanced refresh; a standard one goes on and is waited for by the next. Lost workers and triggerers need
nothing: whoever takes over goes on with the same refresh.
"""

from airflow.sdk import dag, task

from smartgrid.orchestration.assets import POWER_BI_DATASET
from smartgrid.orchestration.defaults import DEFAULT_ARGS, START_DATE, tags
from smartgrid.orchestration.powerbi_operator import PowerBIRefreshOperator
from smartgrid.orchestration.powerbi_plan import datasets_to_refresh, shown_assets


@dag(
    schedule=shown_assets(),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    max_active_tasks=2,
    default_args=DEFAULT_ARGS,
    tags=tags("reports"),
    doc_md=__doc__,
)
def refresh_power_bi() -> None:
    PowerBIRefreshOperator.partial(
        task_id="refresh", outlets=[POWER_BI_DATASET], map_index_template="{{ task.dataset }}"
    ).expand(dataset=task(task_id="datasets")(datasets_to_refresh)())


refresh_power_bi()
