"""Steps of the library as Airflow tasks: a fresh process each, or a container each.

Airflow forks its workers from a process with threads; TensorFlow, H2O and TPOT must not run there. `step()` and
`mapped_step()` give the task for the runner that `SMARTGRID_STEP_RUNNER` names, so that DAGs are the same everywhere.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from airflow.sdk import BaseOperator

from smartgrid.orchestration.child import GuardedChild
from smartgrid.orchestration.environment import step_environment
from smartgrid.orchestration.results import Json, announce, parse_result, raise_for_exit_code
from smartgrid.orchestration.templates import NativeArguments
from smartgrid.settings import get_settings


class StepOperator(NativeArguments, BaseOperator):
    """Runs `python -m smartgrid step NAME` in `settings.step_python` and returns its small JSON result as XCom.

    Both output streams go to the task log line by line. The process ends with all its descendants on a timeout, when
    the task is cleared or marked, and when the worker itself dies. A result `{"skipped": reason}` skips the task.

    Args:
        step_name: name of the step, e.g. `ingest.ingest`.
        arguments: keyword arguments of the step (templated; whole expressions keep their type).
        light: run it with Airflow's own Python, for a step that needs what this environment has and the other lacks.

    Raises:
        StepFailed: retried. StepKilled: retried after a pause. StepMisconfigured, StepResultTooLarge: not retried.
    """

    template_fields: Sequence[str] = ("arguments",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"arguments": "json"}
    ui_color = "#e3f1ea"

    def __init__(self, *, step_name: str, arguments: Any = None, light: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step_name = step_name
        self.arguments = arguments or {}
        self.light = light
        self._child: GuardedChild | None = None

    def execute(self, context: Any) -> Json:
        with tempfile.TemporaryDirectory(prefix="smartgrid-step-") as folder:
            result_file = Path(folder) / "result.json"
            command = [
                sys.executable if self.light else str(get_settings().step_python),
                "-m", "smartgrid", "step", self.step_name,
                "--arguments", json.dumps(self.arguments), "--result-file", str(result_file),
            ]  # fmt: skip
            self._child = GuardedChild(command, step_environment(os.environ))
            outcome = self._child.run(lambda line: self.log.info("%s", line))
            raise_for_exit_code(self.step_name, outcome.exit_code, outcome.stderr_tail)
            text = result_file.read_text(encoding="utf-8") if result_file.exists() else ""
        result = parse_result(self.step_name, text, "its result file")
        announce(context, self.outlets, result)
        return result

    def on_kill(self) -> None:
        if self._child is not None:
            self._child.kill()


def _operator() -> Any:
    """The operator class of the configured runner and the keyword arguments that it needs."""
    if get_settings().step_runner == "docker":
        # Imported here: the Docker client costs every DAG file its import otherwise.
        from smartgrid.orchestration.docker_step import DockerStepOperator, docker_arguments

        return DockerStepOperator, docker_arguments(get_settings())
    return StepOperator, {}


def step(task_id: str, name: str, arguments: Json | None = None, **kwargs: Any) -> Any:
    """A task that runs the step `name` with `arguments`. Other keywords are those of any Airflow task."""
    operator, extra = _operator()
    return operator(task_id=task_id, step_name=name, arguments=arguments or {}, **extra, **kwargs)


def mapped_step(task_id: str, name: str, arguments: Any, **kwargs: Any) -> Any:
    """One task instance of the step `name` for each JSON object in `arguments` (a list, or a task's output)."""
    operator, extra = _operator()
    return operator.partial(task_id=task_id, step_name=name, **extra, **kwargs).expand(arguments=arguments)


def light_step(task_id: str, name: str, arguments: Json | None = None, **kwargs: Any) -> Any:
    """A task that runs the step `name` in Airflow's own environment, as a process whatever the runner is."""
    return StepOperator(task_id=task_id, step_name=name, arguments=arguments or {}, light=True, **kwargs)


def mapped_light_step(task_id: str, name: str, arguments: Any, **kwargs: Any) -> Any:
    """As `mapped_step`, in Airflow's own environment."""
    return StepOperator.partial(task_id=task_id, step_name=name, light=True, **kwargs).expand(arguments=arguments)
