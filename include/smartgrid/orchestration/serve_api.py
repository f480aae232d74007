"""`python -m smartgrid.orchestration.serve_api NAME --port N`: the API NAME with Airflow's authentication.

NAME is analytics or notifications.
A process of its own, so that a heavy or broken request never takes Airflow's API server with it.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import sys
from typing import TYPE_CHECKING

from smartgrid.errors import SmartGridError

if TYPE_CHECKING:
    from fastapi import FastAPI

APPS = {
    "analytics": "smartgrid.api.analytics.app",
    "notifications": "smartgrid.api.notifications.app",
}
LOOPBACK = "127.0.0.1"
# Less than the supervisor's wait before SIGKILL.
SHUTDOWN_S = 5


class ApiMissing(SmartGridError):
    """This API is not part of the installed package."""

    exit_code = 2

    def __init__(self, name: str, module: str) -> None:
        self.name, self.module = name, module
        super().__init__(f"The API {name!r} is not installed: there is no module {module}.")


def is_installed(name: str) -> bool:
    """Whether the application `name` exists in this installation."""
    room = APPS[name].rpartition(".")[0]
    return importlib.util.find_spec(room) is not None and importlib.util.find_spec(APPS[name]) is not None


def application(name: str) -> FastAPI:
    """The application `name` with Airflow's users; opens no port.

    Raises:
        ApiMissing
    """
    if not is_installed(name):
        raise ApiMissing(name, APPS[name])
    from smartgrid.orchestration.api_auth import bearer_require, start_auth_manager

    start_auth_manager()
    app: FastAPI = importlib.import_module(APPS[name]).build_app(bearer_require)
    return app


def serve(name: str, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests that run are given some seconds to end."""
    import uvicorn

    app = application(name)
    configure_logging()
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        # Header bytes and connections of one client must not fill the memory.
        h11_max_incomplete_event_size=64 * 1024,
        limit_concurrency=200,
    )


def configure_logging() -> None:
    """Our lines and uvicorn's to standard error. Called after the import of Airflow, which configures for itself."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )
    logging.getLogger("smartgrid").setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.INFO)
    logging.getLogger("uvicorn.access").addFilter(without_query)


def without_query(record: logging.LogRecord) -> bool:
    """Cut the query from a line of the access log: callers put into URLs what no log should keep."""
    if isinstance(record.args, tuple) and len(record.args) == 5:
        client, method, path, version, status = record.args
        record.args = (client, method, str(path).partition("?")[0], version, status)
    return True


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m smartgrid.orchestration.serve_api", description=__doc__)
    parser.add_argument("name", choices=sorted(APPS))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=LOOPBACK, help="default: this machine only")
    chosen = parser.parse_args(arguments)
    try:
        serve(chosen.name, chosen.host, chosen.port)
    except SmartGridError as failure:
        sys.stderr.write(f"{type(failure).__name__}: {failure}\n")
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
