"""DAG tests: one private Airflow for all of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

collect_ignore_glob: list[str] = []
if importlib.util.find_spec("airflow") is None:
    collect_ignore_glob.append("test_*.py")
else:
    import airflow_sandbox


@pytest.fixture(scope="session")
def dagbag() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(airflow_sandbox.ROOT / "dags"))


@pytest.fixture(scope="session")
def airflow_database() -> None:
    airflow_sandbox.migrate_database()


@pytest.fixture
def scripted_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Steps answer from `<folder>/<step>.json`; see scripted_step.py."""
    from smartgrid.settings import get_settings

    monkeypatch.setenv("SMARTGRID_STEP_PYTHON", str(airflow_sandbox.STEP_PYTHON))
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SG_TEST_SCRIPT", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()
