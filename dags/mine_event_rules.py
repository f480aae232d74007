"""
### Mine the event rules

Tells what happened in words (peaks, ramps, weather, holidays, rejected readings, missed forecasts, and the outage log
where one is configured), and finds which events go together more often than by chance: Apriori and FP-Growth, which
have to agree. Rules that are true by construction are kept apart. Compared with the last run.

**Starts** every Monday at 04:30 UTC, or by hand with a form.
**Makes** the asset `event_rules`. Rules that appear or go become an event that people are notified of.

| parameter | meaning |
|---|---|
| `days` | local days of the window; empty: `SMARTGRID_MINING__DAYS` (364) |
| `end` | the window ends at this local midnight, e.g. `2008-01-20T00:00:00-05:00`; empty: data time |
| `place` | what goes together: events of one `zone`, or of the whole `grid` |
| `window_hours` | hours that count as together, from local midnight |

| task | step | does |
|---|---|---|
| `prepare` | `mining.prepare_events` | derives and imports the events; skipped without measurements |
| `rules` | `mining.mine_rules` | itemsets and rules of the transactions |
| `conclude` | `mining.conclude_rules` | compares, stores, draws, reports |

What changed is in the note of the run; rules and pictures are on the page Load patterns.

**Recover**: clear the failed task. The same window, data and parameters are the same run: repeating replaces its
results and notifies nobody again. Exit code 2 of `prepare` names what is wrong with the vocabulary or the outage log.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag

from smartgrid.orchestration.assets import EVENT_RULES
from smartgrid.orchestration.defaults import DEFAULT_ARGS, tags
from smartgrid.orchestration.mining import window_params
from smartgrid.orchestration.step import step


@dag(
    schedule=CronTriggerTimetable("30 4 * * 1", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,
    default_args=DEFAULT_ARGS,
    params={
        **window_params(),
        "place": Param("zone", type="string", enum=["zone", "grid"], title="Together in one"),
        "window_hours": Param(24, type="integer", enum=[1, 2, 3, 4, 6, 8, 12, 24], title="Window (h)"),
    },
    tags=tags("mining"),
    doc_md=__doc__,
)
def mine_event_rules() -> None:
    window = {"days": "{{ params.days }}", "end": "{{ params.end }}"}
    together = {"place": "{{ params.place }}", "window_hours": "{{ params.window_hours }}"}
    prepare = step("prepare", "mining.prepare_events", window | together)
    run = {"run_id": "{{ ti.xcom_pull(task_ids='prepare')['run_id'] }}"}
    conclude = step("conclude", "mining.conclude_rules", run, outlets=[EVENT_RULES])
    prepare >> step("rules", "mining.mine_rules", run) >> conclude


mine_event_rules()
