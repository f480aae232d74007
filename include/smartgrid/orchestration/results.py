"""From what a step printed or wrote to what Airflow keeps of it."""

from __future__ import annotations

import json
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from smartgrid.orchestration.errors import (
    MAX_RESULT_BYTES,
    StepFailed,
    StepKilled,
    StepMisconfigured,
    StepRefused,
    StepResultMissing,
    StepResultTooLarge,
)

Json = dict[str, Any]

EXIT_MISCONFIGURED = 2
EXIT_VERDICT = 3
EXIT_CANNOT_START = 127  # as shells and the guard say it: SMARTGRID_STEP_PYTHON names no program


def raise_for_exit_code(step: str, exit_code: int, stderr_tail: list[str]) -> None:
    """Turn an exit code other than 0 into the error that says whether a retry makes sense."""
    if exit_code == 0:
        return
    if exit_code in (EXIT_MISCONFIGURED, EXIT_CANNOT_START):
        raise StepMisconfigured(step, stderr_tail)
    if exit_code == EXIT_VERDICT:
        raise StepRefused(step, stderr_tail)
    if exit_code > 128:
        raise StepKilled(step, exit_code, stderr_tail)
    raise StepFailed(step, exit_code, stderr_tail)


def parse_result(step: str, text: str, where: str) -> Json:
    """The step's JSON object.

    Raises:
        StepResultMissing, StepResultTooLarge
        AirflowSkipException: the step found nothing to do; its reason is the message.
    """
    size = len(text.encode())
    if size > MAX_RESULT_BYTES:
        raise StepResultTooLarge(step, size)
    try:
        result = json.loads(text)
    except json.JSONDecodeError:
        raise StepResultMissing(step, where) from None
    if not isinstance(result, dict):
        raise StepResultMissing(step, where)
    if "skipped" in result:
        raise AirflowSkipException(str(result["skipped"]))
    return result


def announce(context: Any, outlets: list[Any], result: Json) -> None:
    """Put the reference to the dataset, or the result where there is none, on the events of the task's assets."""
    extra = result.get("dataset") or result
    for outlet in outlets:
        context["outlet_events"][outlet].extra = extra
