"""What every pipeline shares: owner, retries, time limits, reports of failures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from smartgrid.orchestration.errors import StepKilled
from smartgrid.orchestration.notifier import SmartGridNotifier

OWNER = "smartgrid"
# A constant: runs are never made for the past (catchup is off), and a moving date would make a new DAG version a day.
START_DATE = datetime(2024, 1, 1, tzinfo=UTC)

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=StepKilled,
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=2),
            reason="ended by a signal, perhaps for want of memory: wait until other work is done",
        )
    ]
)

DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 3,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(minutes=30),
    "retry_policy": RETRY_POLICY,
    "on_failure_callback": [SmartGridNotifier("failure")],
    "on_retry_callback": [SmartGridNotifier("retry")],
}


def tags(*topics: str) -> list[str]:
    """Tags of a DAG: the project, then its topics."""
    return ["smartgrid", *topics]
