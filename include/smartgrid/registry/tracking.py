"""The connection to MLflow, patient with a server that is away for a moment.

Where the settings name no tracking server it is the local one, and where that does not run its database is used
directly: a tournament needs no platform. Files of runs then lie under `HOME/mlflow/artifacts` at paths that both ways
understand.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from smartgrid.registry.errors import TrackingServerUnavailable
from smartgrid.settings import Settings, get_settings

T = TypeVar("T")

PATIENCE_S = 180.0  # a restart of the server takes 10 to 30 s
WAITS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
# Our own patience decides; MLflow's would add minutes to every single request.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # a step's standard output is for its result
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

PROBE_TIMEOUT_S = 3.0

log = logging.getLogger(__name__)


def database_url(settings: Settings) -> str:
    """SQLAlchemy URL of the local server's database; it may hold a password."""
    if settings.mlflow_database_url is not None:
        return settings.mlflow_database_url.get_secret_value()
    return f"sqlite:///{settings.home / 'mlflow' / 'mlflow.db'}"


def tracking_uri(settings: Settings) -> str:
    """The tracking server of the settings; else the local one if it answers; else the database of the local one."""
    import requests

    if settings.mlflow_tracking_uri is not None:
        return settings.mlflow_tracking_uri
    try:
        answers = requests.get(f"{settings.tracking_uri}/health", timeout=PROBE_TIMEOUT_S).ok
    except requests.RequestException:
        answers = False
    if answers:
        return settings.tracking_uri
    (settings.home / "mlflow").mkdir(parents=True, exist_ok=True)
    return database_url(settings)


def public_uri(settings: Settings) -> str:
    """`tracking_uri` without a password, to be shown."""
    from sqlalchemy import make_url

    uri = tracking_uri(settings)
    return uri if uri.startswith(("http", "sqlite")) else make_url(uri).render_as_string(hide_password=True)


def artifact_location(settings: Settings, experiment: str) -> str | None:
    """Where the files of a new experiment go; None: a given tracking server decides."""
    if settings.mlflow_tracking_uri is not None:
        return None
    return (settings.home / "mlflow" / "artifacts" / experiment).as_uri()


def client() -> Any:
    """An MlflowClient, made the default of this process too."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    uri = tracking_uri(get_settings())
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def patiently(call: Callable[[], T], *, patience_s: float = PATIENCE_S) -> T:
    """Run `call`, again and again while the tracking server is away. `call` must be safe to repeat.

    Raises:
        TrackingServerUnavailable: it was away for `patience_s`.
    """
    import requests
    from mlflow.exceptions import MlflowException

    started = time.monotonic()
    attempt = 0
    while True:
        try:
            return call()
        except (MlflowException, requests.RequestException) as error:
            if not _is_away(error):
                raise
            wait_s = WAITS_S[min(attempt, len(WAITS_S) - 1)]
            attempt += 1
            waited_s = time.monotonic() - started
            if waited_s + wait_s > patience_s:
                reason = str(error).strip().splitlines()[0][:200]
                raise TrackingServerUnavailable(get_settings().tracking_uri, waited_s, reason) from error
            log.warning("MLflow does not answer; trying again in %.0f s", wait_s)
            time.sleep(wait_s)


def _is_away(error: Exception) -> bool:
    """Whether it is the connection that failed, or a server that says it is not ready; a refusal is final."""
    import requests

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, requests.ConnectionError | requests.Timeout):
            return True
        if isinstance(seen, requests.HTTPError) and seen.response is not None:
            return seen.response.status_code in (429, 502, 503, 504)
        seen = seen.__cause__ or seen.__context__
    text = str(error)
    return any(sign in text for sign in ("Max retries exceeded", "Connection refused", "Failed to establish"))
