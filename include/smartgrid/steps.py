"""Every step that Airflow or a person can run: a name, the function behind it, small JSON in and out.

`smartgrid step NAME --arguments '{"...": ...}'` runs one. Each is idempotent, so that a retry is always safe.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from smartgrid.errors import NothingToDo, SmartGridError

Json = dict[str, Any]

STEPS: dict[str, str] = {
    "ingest.plan": "smartgrid.ingest.steps:plan",
    "ingest.ingest": "smartgrid.ingest.steps:ingest",
    "quality.validate": "smartgrid.quality.steps:validate",
    "automl.snapshot": "smartgrid.automl.steps:snapshot",
    "automl.train": "smartgrid.automl.steps:train",
    "automl.judge": "smartgrid.automl.steps:judge",
    "registry.register": "smartgrid.registry.steps:register",
    "rollout.publish": "smartgrid.rollout.steps:publish",
    "mining.answer_request": "smartgrid.mining.request_job:answer_request",
    "forecasting.forecast": "smartgrid.forecasting.steps:forecast",
    "mining.prepare_patterns": "smartgrid.mining.steps:prepare_patterns",
    "mining.cluster_days": "smartgrid.mining.steps:cluster_days",
    "mining.find_outliers": "smartgrid.mining.steps:find_outliers",
    "mining.conclude_patterns": "smartgrid.mining.steps:conclude_patterns",
    "mining.prepare_events": "smartgrid.mining.steps:prepare_events",
    "mining.mine_rules": "smartgrid.mining.steps:mine_rules",
    "mining.conclude_rules": "smartgrid.mining.steps:conclude_rules",
    "notifications.due": "smartgrid.notifications.delivery_plan:due",
    "notifications.deliver": "smartgrid.notifications.steps:deliver",
    "notifications.forget": "smartgrid.notifications.steps:forget",
}


class UnknownStep(SmartGridError):
    """No step has this name."""

    exit_code = 2

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"No step {name!r}. Steps: {', '.join(sorted(STEPS))}.")


class BadStepArguments(SmartGridError):
    """The arguments do not fit the step."""

    exit_code = 2

    def __init__(self, name: str, problem: str, signature: str) -> None:
        self.name, self.problem, self.signature = name, problem, signature
        super().__init__(f"Step {name}: {problem}. It takes {signature}.")


def run_step(name: str, arguments: Json) -> Json:
    """Run the step `name` with keyword `arguments` and return its JSON result, `{"skipped": reason}` without work.

    Raises:
        UnknownStep, BadStepArguments, or whatever the step itself raises.
    """
    function = _resolve(name)
    signature = inspect.signature(function)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise BadStepArguments(name, str(error), str(signature)) from None
    try:
        return function(**arguments)
    except NothingToDo as nothing:
        return {"skipped": nothing.reason}


def _resolve(name: str) -> Callable[..., Json]:
    target = STEPS.get(name)
    if target is None:
        raise UnknownStep(name)
    module, _, attribute = target.partition(":")
    function: Callable[..., Json] = getattr(importlib.import_module(module), attribute)
    return function
