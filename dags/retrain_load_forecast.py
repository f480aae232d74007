"""
### Retrain the load forecast

A tournament: every trainer searches on the same frozen snapshot within its budget, all are backtested, and the winner
is registered if it beats both naive forecasts.

**Starts** every Sunday at 03:00 UTC, or by hand with a form.
**Makes** the asset `candidate_model`, which starts `promote_load_forecast`.

| parameter | meaning |
|---|---|
| `trainers` | which trainers take part |
| `budget_s` | wall-clock seconds of search for each trainer that searches |
| `history_days` | days of history before the backtest |
| `backtest_days` | days of the rolling-origin backtest |
| `temperature` | `forecast`: as known the day before; `actual`: measured, flatters the scores; `none`; `auto` |

**Recover**: a trainer that fails does not fail the run: it stands on the leaderboard with its reason, the others are
judged. Without any trained candidate `judge` fails. `register` is skipped when the gate is not passed; the verdict
says why. A task ended by SIGKILL usually ran out of memory: lower `history_days`.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from smartgrid.orchestration.assets import CANDIDATE_MODEL
from smartgrid.orchestration.defaults import DEFAULT_ARGS, tags
from smartgrid.orchestration.step import mapped_step, step
from smartgrid.orchestration.training import entries, retrain_params


@dag(
    # No start date and no immediate run: a new installation must not train before it has data.
    schedule=CronTriggerTimetable("0 3 * * 0", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=2,
    default_args=DEFAULT_ARGS,
    params=retrain_params(),
    tags=tags("model"),
    doc_md=__doc__,
)
def retrain_load_forecast() -> None:
    snapshot = step(
        "snapshot",
        "automl.snapshot",
        {
            "days": "{{ params.history_days }}",
            "backtest_days": "{{ params.backtest_days }}",
            "temperature": "{{ params.temperature }}",
            "key": "{{ run_id }}",  # a new run on the same data searches anew, a retry does not
        },
    )
    # One after the other: two searches at once would halve each other's budget.
    train = mapped_step(
        "train",
        "automl.train",
        task(entries)(snapshot.output),
        max_active_tis_per_dag=1,
        retries=1,
        execution_timeout=timedelta(hours=3),
        map_index_template="{{ task.arguments['trainer'] }}",
    )
    run_id = "{{ ti.xcom_pull(task_ids='snapshot')['run_id'] }}"
    # One success is enough: judging the others must not wait for a trainer that cannot work.
    judge = step(
        "judge",
        "automl.judge",
        {"run_id": run_id, "candidates": "{{ params.trainers }}"},
        trigger_rule="all_done_min_one_success",
        execution_timeout=timedelta(hours=1),
    )
    register = step("register", "registry.register", {"run_id": run_id}, outlets=[CANDIDATE_MODEL])
    train >> judge >> register


retrain_load_forecast()
