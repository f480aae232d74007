"""
### Retrain the load forecast

A tournament: every trainer searches on the same snapshot within its share of the budget, all are backtested on days
that no search saw, and the winner is registered as challenger if it passes the gates.

**Starts** every Sunday at 03:00 UTC, or by hand with a form.
**Makes** the asset `candidate_model`, which starts `promote_load_forecast`.

| parameter | meaning |
|---|---|
| `preset` | `smoke`, `standard` or `thorough`: seconds, days and rows; what is given below wins |
| `trainers`, `budget_s` | who takes part, one after the other in the pool `heavy_training`; seconds of each search |
| `history_days`, `backtest_days` | days before the test window, and days of it |
| `temperature` | `forecast`: as known the day before; `actual`: measured, flatters the scores; `none`; `auto` |

Winner and verdict are in the note of the run; picture, progress and report on the Smart Grid page.

**Recover**: a trainer that fails does not fail the run: it is on the leaderboard with its reason. Without any trained
candidate `judge` fails; `register` is skipped when a gate is not passed. The model in service stays in every case.
Tasks that stay `scheduled` miss the pool: `airflow pools set heavy_training 1 "one trainer"`. After SIGKILL (memory)
lower `history_days`.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from smartgrid.orchestration.assets import CANDIDATE_MODEL
from smartgrid.orchestration.defaults import DEFAULT_ARGS, tags
from smartgrid.orchestration.step import mapped_step, step
from smartgrid.orchestration.training import entries, retrain_params
from smartgrid.settings import TRAINING_POOL


@dag(
    # No start date, no immediate run: a new installation must not train before it has data.
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
            "preset": "{{ params.preset }}",
            "days": "{{ params.history_days }}",
            "backtest_days": "{{ params.backtest_days }}",
            "temperature": "{{ params.temperature }}",
            "key": "{{ run_id }}",  # a new run on the same data searches anew, a retry does not
        },
    )
    train = mapped_step(
        "train",
        "automl.train",
        task(entries)(snapshot.output),
        pool=TRAINING_POOL,  # of one slot: two searches at once would halve each other's budget
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
    train >> judge >> step("register", "registry.register", {"run_id": run_id}, outlets=[CANDIDATE_MODEL])


retrain_load_forecast()
