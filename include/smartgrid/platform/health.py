"""Whether a process of the platform does its work, asked over its own protocol."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import requests

from smartgrid.settings import Settings

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Health:
    """`detail` says what was answered, for people."""

    ok: bool
    detail: str


def _get(url: str) -> requests.Response | Health:
    try:
        return requests.get(url, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        return Health(False, f"{url}: {type(error).__name__}")


def _airflow(settings: Settings, component: str) -> Health:
    answer = _get(f"http://127.0.0.1:{settings.airflow_port}/api/v2/monitor/health")
    if isinstance(answer, Health):
        return answer
    if not answer.ok:
        return Health(False, f"HTTP {answer.status_code}")
    status = (answer.json().get(component) or {}).get("status") or "no heartbeat yet"
    return Health(status == "healthy", str(status))


def api_server(settings: Settings) -> Health:
    return _airflow(settings, "metadatabase")


def scheduler(settings: Settings) -> Health:
    return _airflow(settings, "scheduler")


def dag_processor(settings: Settings) -> Health:
    return _airflow(settings, "dag_processor")


def triggerer(settings: Settings) -> Health:
    return _airflow(settings, "triggerer")


def log_server(settings: Settings) -> Health:
    """Logs themselves are given only to signed requests; the description of its API is open."""
    answer = _get(f"http://127.0.0.1:{settings.airflow_worker_log_port}/openapi.json")
    if isinstance(answer, Health):
        return answer
    return Health(answer.ok, f"HTTP {answer.status_code}")


def mlflow(settings: Settings) -> Health:
    answer = _get(f"{settings.tracking_uri}/health")
    if isinstance(answer, Health):
        return answer
    return Health(answer.ok, f"HTTP {answer.status_code}")


def analytics(settings: Settings) -> Health:
    return _api(settings, settings.analytics_port)


def notifications(settings: Settings) -> Health:
    return _api(settings, settings.notifications_port)


def connect_url(settings: Settings, port: int) -> str:
    """Address of one of our APIs for a client on this machine: what listens everywhere is asked on loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.api_host, settings.api_host)  # noqa: S104
    return f"http://{host}:{port}"


def _api(settings: Settings, port: int) -> Health:
    """`/health` is open and says little: `status`, and `detail` for people."""
    answer = _get(f"{connect_url(settings, port)}/health")
    if isinstance(answer, Health):
        return answer
    try:
        told = answer.json()
        detail = str(told.get("detail") or told.get("status"))
    except (ValueError, AttributeError):
        detail = f"HTTP {answer.status_code}"
    return Health(answer.ok, detail)


def model_server(settings: Settings) -> Health:
    """Both ports answer. Without a model yet, 404 for the model is right."""
    answer = _get(f"{settings.rest_url}/v1/models/{settings.model_name}")
    if isinstance(answer, Health):
        return answer
    host, _, port = settings.grpc_target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=TIMEOUT_S).close()
    except OSError as error:
        return Health(False, f"gRPC {settings.grpc_target}: {type(error).__name__}")
    if answer.status_code == requests.codes.not_found:
        return Health(True, "no model yet")
    if not answer.ok:
        return Health(False, f"HTTP {answer.status_code}")
    versions = answer.json().get("model_version_status", [])
    available = [entry["version"] for entry in versions if entry.get("state") == "AVAILABLE"]
    return Health(bool(available), f"version {', '.join(available)}" if available else "no version available")
