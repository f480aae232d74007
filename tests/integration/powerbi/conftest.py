"""These tests need the sign-in library and Airflow, which the environment of the APIs has."""

import importlib.util
import sys
from pathlib import Path

collect_ignore_glob: list[str] = []
if importlib.util.find_spec("msal") is None or importlib.util.find_spec("airflow") is None:
    collect_ignore_glob.append("test_*.py")
else:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "dags"))
    import airflow_sandbox  # noqa: F401 - before the first import of Airflow
    from powerbi_world import empty_store as empty_store
    from powerbi_world import entra as entra
    from powerbi_world import world as world
