"""What every DAG file keeps to."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow_sandbox import ROOT

FILES = sorted((ROOT / "dags").glob("*.py"))
EXPECTED = {
    "ingest_measurements",
    "validate_measurements",
    "retrain_load_forecast",
    "promote_load_forecast",
    "forecast_load",
    "mine_load_patterns",
    "mine_event_rules",
    "mine_on_request",
    "deliver_notifications",
    "refresh_power_bi",
}
HEAVY = {"tensorflow", "sklearn", "pandas", "polars", "mlflow", "tpot", "great_expectations", "numpy", "sqlalchemy"}
PARSE_LIMIT_S = 0.5

PARSE_TIMES = """
import json, sys, time
import airflow.sdk, airflow.dag_processing.dagbag
before = set(sys.modules)
times = {}
for path in sys.argv[1:]:
    started = time.process_time()
    exec(compile(open(path).read(), path, "exec"), {"__name__": "dag_file", "__doc__": "x"})
    times[path] = time.process_time() - started
new = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
print(json.dumps({"times": times, "new": new}))
"""


@pytest.fixture(params=sorted(EXPECTED))
def dag(request: pytest.FixtureRequest, dagbag: Any) -> Any:
    return dagbag.dags[request.param]


def test_every_file_imports(dagbag: Any) -> None:
    assert dagbag.import_errors == {}


def test_every_file_holds_the_dag_it_is_named_after(dagbag: Any) -> None:
    assert {file.stem for file in FILES} == EXPECTED == set(dagbag.dags)


def test_dag_has_a_runbook_owner_and_tags(dag: Any) -> None:
    assert dag.doc_md.strip().startswith("### ")
    assert "**Starts**" in dag.doc_md
    assert "**Recover**" in dag.doc_md
    assert dag.tags >= {"smartgrid"}
    assert len(dag.tags) >= 2
    assert {task.owner for task in dag.tasks} == {"smartgrid"}


def test_dag_never_catches_up_nor_runs_twice_at_once(dag: Any) -> None:
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.max_active_tasks <= 2


def test_tasks_retry_with_a_pause_and_have_a_time_limit(dag: Any) -> None:
    for task in dag.tasks:
        assert task.retries >= 1, task.task_id
        assert task.retry_exponential_backoff, task.task_id
        assert task.max_retry_delay.total_seconds() == 300, task.task_id
        assert task.execution_timeout is not None, task.task_id
        assert task.retry_policy is not None, task.task_id


def test_every_parameter_is_in_the_runbook_and_in_a_template(dag: Any) -> None:
    source = Path(dag.fileloc).read_text() + (ROOT / "include/smartgrid/orchestration/training.py").read_text()
    for name in dag.params:
        assert f"`{name}`" in dag.doc_md, name
        assert f"params.{name}" in source or f'params["{name}"]' in source, name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_file_is_wiring_only(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= 80
    tree = ast.parse(text)
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert all(re.match(r"(airflow\.sdk|smartgrid\.(orchestration|settings)|datetime)\b", name) for name in imported)


def test_parsing_is_fast_and_loads_nothing_heavy() -> None:
    command = [sys.executable, "-c", PARSE_TIMES, *map(str, FILES)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    import json

    measured = json.loads(output.splitlines()[-1])
    assert HEAVY & set(measured["new"]) == set()
    slow = {Path(path).stem: seconds for path, seconds in measured["times"].items() if seconds >= PARSE_LIMIT_S}
    assert slow == {}


def test_dag_survives_serialization(dag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    there = DagSerialization.to_dict(dag)
    back = DagSerialization.from_dict(there)
    assert set(back.task_ids) == set(dag.task_ids)
    assert DagSerialization.to_dict(dag) == there
