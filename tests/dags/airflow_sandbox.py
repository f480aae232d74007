"""A private Airflow for the tests of one pytest process: own home, own SQLite database, this project's DAGs.

Import it before the first import of Airflow, which reads its configuration once.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(tempfile.mkdtemp(prefix="smartgrid-airflow-tests-"))
STEP_PYTHON = ROOT / "tests/dags/scripted_step.py"
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[name]
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,olga:op,oskar:user,wanda:viewer",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(HOME / "passwords.json"),
    "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of the tests that is long enough for HS512, sixty-four bytes.",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}
USERS = ("admin", "olga", "oskar", "wanda")
(HOME / "passwords.json").write_text(json.dumps({user: f"{user}-password" for user in USERS}))


def migrate_database() -> None:
    """Create Airflow's tables (about 3 s)."""
    from airflow.utils.db import initdb

    initdb()
