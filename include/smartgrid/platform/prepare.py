"""What has to be there before the processes start: data, the results store, Airflow's database."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence

from smartgrid.platform.airflow_environment import airflow_home
from smartgrid.platform.errors import PreparationFailed
from smartgrid.platform.programs import airflow_command_environment, common_environment, make_folders
from smartgrid.settings import PROJECT_ROOT, Settings

OUTPUT_LINES = 40


def download_data(settings: Settings) -> None:
    """Fetch the embedded data where they are the source; a file that is there and whole is kept."""
    environment = dict(os.environ) | common_environment(settings)
    command = [str(settings.step_python), "-m", "smartgrid", "data", "download"]
    _run("Downloading the data", command, environment)


def needs_download(settings: Settings) -> bool:
    return settings.source.kind in ("gefcom2012", "bigdeal2022")


def migrate_store() -> str:
    """Bring the results store to the newest schema; return its revision."""
    from smartgrid.store import migrate

    logging.getLogger("alembic").setLevel(logging.WARNING)
    return migrate()


def migrate_airflow(settings: Settings) -> None:
    """Create or update Airflow's metadata database."""
    make_folders(settings)
    environment = airflow_command_environment(settings)
    _run("Preparing Airflow's database", [sys.executable, "-m", "airflow", "db", "migrate"], environment)
    if settings.airflow_database_url is None:
        # With a write-ahead log, readers do not wait for the writer; the setting stays in the file.
        with sqlite3.connect(airflow_home(settings) / "airflow.db", timeout=60) as connection:
            connection.execute("PRAGMA journal_mode=WAL")


def _run(title: str, command: Sequence[str], environment: dict[str, str]) -> None:
    result = subprocess.run(
        command,
        env=environment,
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise PreparationFailed(title, result.returncode, "\n".join(result.stdout.splitlines()[-OUTPUT_LINES:]))
