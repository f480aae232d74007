"""These tests need Airflow; the ML environment has none."""

import importlib.util
import sys
from pathlib import Path

collect_ignore_glob: list[str] = []
if importlib.util.find_spec("airflow") is None:
    collect_ignore_glob.append("test_*.py")
else:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "dags"))
    import airflow_sandbox  # noqa: F401 - before the first import of Airflow
