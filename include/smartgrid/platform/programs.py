"""The processes of the platform: what each runs, with which environment, and how to ask whether it is well."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smartgrid.platform import health
from smartgrid.platform.airflow_environment import airflow_environment, api_environment
from smartgrid.platform.identity import ID_VARIABLE, PROGRAM_VARIABLE, platform_id
from smartgrid.platform.secrets import ensure_secrets
from smartgrid.registry.tracking import database_url
from smartgrid.settings import Settings

AIRFLOW = "airflow"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "NO_COLOR": "1",
    "PYTHONUNBUFFERED": "1",
    # Otherwise Airflow's process titles overwrite the environment that /proc shows, and our marker with it.
    "SPT_NOENV": "1",
}


@dataclass(frozen=True)
class Program:
    """One supervised process. `ports` maps the setting that moves a port to the port."""

    name: str
    argv: tuple[str, ...]
    check: Callable[[Settings], health.Health]
    ports: Mapping[str, int] = field(default_factory=dict)
    # Seconds between SIGTERM and SIGKILL.
    stop_wait_s: int = 10
    extra_environment: Mapping[str, str] = field(default_factory=dict)
    # It checks tokens of Airflow's users.
    is_api: bool = False


def programs(settings: Settings) -> list[Program]:
    """The programs of these settings, in the order of starting. A server given by URL is not ours to start."""
    bin_folder = Path(sys.executable).parent
    ml_python = str(settings.step_python)
    airflow = (str(bin_folder / "python"), "-m", "airflow")
    selected = [
        Program(
            "airflow-api-server",
            (*airflow, "api-server"),
            health.api_server,
            {"SMARTGRID_AIRFLOW_PORT": settings.airflow_port},
        ),
        Program("airflow-scheduler", (*airflow, "scheduler", "--skip-serve-logs"), health.scheduler),
        Program("airflow-dag-processor", (*airflow, "dag-processor"), health.dag_processor),
        Program("airflow-triggerer", (*airflow, "triggerer", "--skip-serve-logs"), health.triggerer),
        Program(
            "airflow-log-server",
            (
                str(bin_folder / "python"),
                "-m",
                "uvicorn",
                "--factory",
                "airflow.utils.serve_logs.log_server:create_app",
                "--host=127.0.0.1",
                f"--port={settings.airflow_worker_log_port}",
                "--no-access-log",
            ),
            health.log_server,
            {"SMARTGRID_AIRFLOW_WORKER_LOG_PORT": settings.airflow_worker_log_port},
        ),
    ]
    selected += _apis(settings)
    if settings.mlflow_tracking_uri is None:
        selected.append(
            Program(
                "mlflow",
                (
                    ml_python,
                    "-m",
                    "mlflow",
                    "server",
                    "--host=127.0.0.1",
                    f"--port={settings.mlflow_port}",
                    f"--artifacts-destination={settings.home / 'mlflow' / 'artifacts'}",
                    "--workers=1",
                ),
                health.mlflow,
                {"SMARTGRID_MLFLOW_PORT": settings.mlflow_port},
                # A URL with a password is not for the command line, where everyone on the machine can read it.
                # Its job runner serves evaluations of language models with six idle workers of 180 MB each.
                extra_environment={
                    "MLFLOW_BACKEND_STORE_URI": database_url(settings),
                    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                },
            )
        )
    if settings.serving_rest_url is None:
        selected.append(
            Program(
                "model-server",
                (
                    ml_python,
                    "-m",
                    "tf_serving.embedded",
                    f"--port={settings.serving_grpc_port}",
                    f"--rest_api_port={settings.serving_rest_port}",
                    f"--model_name={settings.model_name}",
                    f"--model_base_path={settings.model_base_path}",
                    # A version that cannot be loaded is known at once, not after five minutes of retries.
                    "--max_num_load_retries=1",
                    "--load_retry_interval_micros=1000000",
                    # After a restart the last good version serves, even if a newer one is damaged.
                    "--fall_back_to_older_versions",
                ),
                health.model_server,
                {
                    "SMARTGRID_SERVING_REST_PORT": settings.serving_rest_port,
                    "SMARTGRID_SERVING_GRPC_PORT": settings.serving_grpc_port,
                },
            )
        )
    return selected


def _apis(settings: Settings) -> list[Program]:
    """Our own APIs, those of them that are installed."""
    checks = {
        "analytics": (settings.analytics_port, health.analytics),
        "notifications": (settings.notifications_port, health.notifications),
    }
    return [
        Program(
            f"{name}-api",
            (
                str(Path(sys.executable).parent / "python"),
                "-m",
                "smartgrid.orchestration.serve_api",
                name,
                f"--host={settings.api_host}",
                f"--port={port}",
            ),
            check,
            {f"SMARTGRID_{name.upper()}_PORT": port},
            is_api=True,
        )
        for name, (port, check) in checks.items()
        if _exists(f"smartgrid.api.{name}.app")
    ]


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module.rpartition(".")[0]) is not None and (
        importlib.util.find_spec(module) is not None
    )


def common_environment(settings: Settings) -> dict[str, str]:
    """What every process of the platform gets beside the inherited environment; no secrets."""
    bin_folder = str(Path(sys.executable).parent)
    return QUIET | {
        "SMARTGRID_HOME": str(settings.home),
        "PATH": os.pathsep.join([bin_folder, os.environ.get("PATH", os.defpath)]),
        ID_VARIABLE: platform_id(settings.home),
    }


def program_environment(settings: Settings, program: Program) -> dict[str, str]:
    """The whole environment of one program. Only Airflow's processes get all of Airflow's secrets."""
    environment = dict(os.environ) | common_environment(settings) | dict(program.extra_environment)
    environment[PROGRAM_VARIABLE] = program.name
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if program.name.startswith(AIRFLOW):
        environment |= airflow_environment(settings, ensure_secrets(settings.home))
    elif program.is_api:
        environment |= api_environment(settings, ensure_secrets(settings.home))
    return environment


def airflow_command_environment(settings: Settings) -> dict[str, str]:
    """The environment of a short Airflow command, such as `airflow db migrate`."""
    environment = dict(os.environ) | common_environment(settings)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment | airflow_environment(settings, ensure_secrets(settings.home))


def make_folders(settings: Settings) -> None:
    """Folders that programs expect to exist."""
    for folder in ("run", "logs", "airflow", "mlflow/artifacts"):
        (settings.home / folder).mkdir(parents=True, exist_ok=True)
    settings.model_base_path.mkdir(parents=True, exist_ok=True)
