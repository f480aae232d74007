"""Steps as containers of the ML image."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.providers.docker.exceptions import DockerContainerFailedException
from airflow.providers.docker.operators.docker import DockerOperator
from docker.types import Mount

from smartgrid.orchestration.child import TAIL_LINES
from smartgrid.orchestration.results import Json, announce, parse_result, raise_for_exit_code
from smartgrid.orchestration.templates import NativeArguments
from smartgrid.settings import Settings, config_path

_STATUS = re.compile(r"'StatusCode': (\d+)")
# Addresses of other services that the step's own settings may name.
_PASSED_ON = ("MLFLOW_TRACKING_URI", "TENSORFLOW_SERVING_URL")


class DockerStepOperator(NativeArguments, DockerOperator):
    """Runs `smartgrid step NAME` in a container; the last JSON object that it prints is the result.

    Same arguments, results, errors and skipping as `StepOperator`.
    """

    # Not DockerOperator's: the environment holds addresses with credentials and must not be shown as rendered.
    template_fields: Sequence[str] = ("arguments",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"arguments": "json"}
    template_ext: Sequence[str] = ()

    def __init__(self, *, step_name: str, arguments: Any = None, **kwargs: Any) -> None:
        super().__init__(xcom_all=True, **kwargs)
        self.step_name = step_name
        self.arguments = arguments or {}

    def execute(self, context: Any) -> Json:
        self.command = ["smartgrid", "step", self.step_name, "--arguments", json.dumps(self.arguments)]
        try:
            lines = [_text(line) for line in super().execute(context) or []]
        except DockerContainerFailedException as error:
            tail = [_text(line) for line in error.logs or []][-TAIL_LINES:]
            status = _STATUS.search(str(error))
            raise_for_exit_code(self.step_name, int(status.group(1)) if status else 1, tail)
            raise
        # Warnings on standard error may follow the result: the streams are merged.
        last = next((line for line in reversed(lines) if line.lstrip().startswith("{")), "")
        result = parse_result(self.step_name, last, "its output")
        announce(context, self.outlets, result)
        return result


def docker_arguments(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Keyword arguments of DockerOperator for `settings`.

    HOME is mounted at the same path, so that references written by one step are good in the next. Every `SMARTGRID_*`
    variable is passed on, as private environment: Airflow shows none of it.
    """
    home = str(settings.home)
    volume = settings.step_volume or home
    mounts = [Mount(source=volume, target=home, type="bind" if volume.startswith("/") else "volume")]
    config = config_path()
    if config is not None:
        mounts.append(Mount(source=str(config), target=str(config), type="bind", read_only=True))
    private = {
        name: value for name, value in environment.items() if name.startswith("SMARTGRID_") or name in _PASSED_ON
    }
    private |= {"SMARTGRID_HOME": home, "PYTHONUNBUFFERED": "1"}
    if config is not None:
        private["SMARTGRID_CONFIG"] = str(config)
    return {
        "image": settings.step_image,
        "mounts": mounts,
        "mount_tmp_dir": False,  # a temporary folder of the worker means nothing to a daemon elsewhere
        "network_mode": settings.step_network,
        "auto_remove": "force",
        "private_environment": private,
    }


def _text(line: str | bytes) -> str:
    return line.decode("utf-8", errors="replace") if isinstance(line, bytes) else line
