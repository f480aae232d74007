"""
### Deliver notifications

Drains the outbox: decides who hears of the events recorded since, and sends every message that is due. The
notification service does the same within a second; this pipeline makes sure that messages go out while it is down.
Both may work at once: each delivery is leased by one of them.

**Starts** on the cron of `SMARTGRID_DELIVER_SCHEDULE` (every 5 minutes by default; empty: not by time), on the asset
`notification_requested`, or by hand.

| task | step | does |
|---|---|---|
| `due` | `notifications.due` | routes events, counts what is due; skipped when there is nothing |
| `deliver` | `notifications.deliver` | one for every 2,000 due messages, at most four: sends until nothing is left |
| `forget` | `notifications.forget` | deletes finished messages older than `SMARTGRID_OUTBOX__KEEP_DAYS` |

**Recover**: clear the failed task; what was sent is not sent again. A message that a receiver refuses fails no task: it
is tried again by its schedule and becomes a dead letter in the end. Read the reason on the Notifications page of Smart
Grid, correct the cause, then replay it there. A failure of this pipeline is itself recorded as an event, and told as
soon as either way of delivery works again.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from smartgrid.orchestration.assets import NOTIFICATION_REQUESTED
from smartgrid.orchestration.defaults import DEFAULT_ARGS, START_DATE, tags
from smartgrid.orchestration.delivery import deliveries, delivery_schedule
from smartgrid.orchestration.step import light_step, mapped_light_step


@dag(
    schedule=delivery_schedule(NOTIFICATION_REQUESTED),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    max_active_tasks=2,
    default_args=DEFAULT_ARGS | {"execution_timeout": timedelta(minutes=10)},
    tags=tags("notifications"),
    doc_md=__doc__,
)
def deliver_notifications() -> None:
    # Not in the ML environment: the libraries of the channels are in Airflow's.
    due = light_step("due", "notifications.due", inlets=[NOTIFICATION_REQUESTED])
    deliver = mapped_light_step("deliver", "notifications.deliver", task(deliveries)(due.output))
    deliver >> light_step("forget", "notifications.forget")


deliver_notifications()
