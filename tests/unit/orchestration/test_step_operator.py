from __future__ import annotations

import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from jinja2 import UndefinedError

from smartgrid.orchestration.errors import (
    StepFailed,
    StepKilled,
    StepMisconfigured,
    StepRefused,
    StepResultMissing,
    StepResultTooLarge,
)
from smartgrid.orchestration.step import StepOperator, step
from smartgrid.settings import get_settings

Program = Callable[[str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """Sets what the step's Python does; `arguments` and `result(object)` are there for it."""
    path = tmp_path / "step-python"

    def write(body: str) -> None:
        head = (
            f"#!{sys.executable}\nimport json, os, sys, time\n"
            "arguments = json.loads(sys.argv[sys.argv.index('--arguments') + 1])\n"
            "def result(o): open(sys.argv[sys.argv.index('--result-file') + 1], 'w').write(json.dumps(o))\n"
        )
        path.write_text(head + body)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    monkeypatch.setenv("SMARTGRID_STEP_PYTHON", str(path))
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    yield write
    get_settings.cache_clear()


def context(*assets: Asset) -> dict[str, Any]:
    return {"outlet_events": {asset: SimpleNamespace(extra={}) for asset in assets}}


def test_result_of_the_step_is_the_result_of_the_task(program: Program) -> None:
    program("result({'called': sys.argv[1:5], 'arguments': arguments})")
    arguments = {"start": "2007-12-01", "count": 3, "none": None, "list": [1.5, True]}
    returned = StepOperator(task_id="t", step_name="ingest.plan", arguments=arguments).execute(context())
    assert returned == {"called": ["-m", "smartgrid", "step", "ingest.plan"], "arguments": arguments}


def test_asset_event_carries_the_dataset_reference(program: Program) -> None:
    program("result({'rows': 1, 'dataset': {'uri': 'x', 'sha256': 'y'}})")
    asset = Asset("measured")
    told = context(asset)
    StepOperator(task_id="t", step_name="s", outlets=[asset]).execute(told)
    assert told["outlet_events"][asset].extra == {"uri": "x", "sha256": "y"}


def test_nothing_to_do_skips_the_task_with_the_reason(program: Program) -> None:
    program("result({'skipped': 'the replay has ended'})")
    with pytest.raises(AirflowSkipException, match="the replay has ended"):
        StepOperator(task_id="t", step_name="s").execute(context())


@pytest.mark.parametrize(
    ("body", "error", "retried", "told"),
    [
        ("print('no such host', file=sys.stderr); sys.exit(1)", StepFailed, True, "no such host"),
        ("print('bad unit', file=sys.stderr); sys.exit(2)", StepMisconfigured, False, "bad unit"),
        ("print('batch stopped', file=sys.stderr); sys.exit(3)", StepRefused, False, "batch stopped"),
        ("os.kill(os.getpid(), 9)", StepKilled, True, "memory"),
        ("pass", StepResultMissing, True, "JSON object"),
        ("result([1])", StepResultMissing, True, "JSON object"),
        ("result({'rows': 'x' * 8200})", StepResultTooLarge, False, "reference"),
    ],
)
def test_failure_says_why_and_whether_a_retry_makes_sense(
    program: Program, body: str, error: type[Exception], retried: bool, told: str
) -> None:
    program(body)
    with pytest.raises(error, match=told) as raised:
        StepOperator(task_id="t", step_name="s").execute(context())
    assert isinstance(raised.value, AirflowFailException) is not retried


def test_step_sees_no_secret_of_airflow(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program("result({'names': [n for n in os.environ if 'AIRFLOW' in n or n.startswith('SMARTGRID')]})")
    monkeypatch.setenv("AIRFLOW_CONN_GRID", "postgres://user:secret@host/db")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "secret")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "ingest_measurements")
    names = StepOperator(task_id="t", step_name="s").execute(context())["names"]
    assert {name for name in names if not name.startswith("AIRFLOW_CTX_")} == {
        "SMARTGRID_HOME",
        "SMARTGRID_STEP_PYTHON",
    }
    assert "AIRFLOW_CTX_DAG_ID" in names


def test_cancelled_task_ends_its_step(program: Program, tmp_path: Path) -> None:
    program(f"open({str(tmp_path / 'started')!r}, 'w').close(); time.sleep(300)")
    operator = StepOperator(task_id="t", step_name="s")

    def cancel() -> None:
        while not (tmp_path / "started").exists():
            time.sleep(0.05)
        operator.on_kill()

    threading.Thread(target=cancel, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(StepKilled):
        operator.execute(context())
    assert time.monotonic() - started < 15


def test_lines_of_the_step_are_in_the_task_log(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program("print('42 rows'); print('careful', file=sys.stderr); result({})")
    operator = StepOperator(task_id="t", step_name="s")
    lines: list[str] = []
    log = SimpleNamespace(info=lambda pattern, line: lines.append(pattern % line), warning=print)
    monkeypatch.setattr(StepOperator, "log", log)
    operator.execute(context())
    assert set(lines) == {"42 rows", "careful"}


def rendered(arguments: dict[str, Any], **values: Any) -> dict[str, Any]:
    with DAG("d"):
        operator = StepOperator(task_id="t", step_name="s", arguments=arguments)
    operator.render_template_fields(values)
    found: dict[str, Any] = operator.arguments
    return found


def test_whole_expressions_keep_their_type() -> None:
    params = {"zone": "10", "count": 3, "names": ["a"], "nothing": None, "text": "{{ params.count }}"}
    found = rendered(
        {name: f"{{{{ params.{name} }}}}" for name in params} | {"mixed": "zone {{ params.zone }}", "plain": 7},
        params=params,
    )
    assert found == {**params, "mixed": "zone 10", "plain": 7}


def test_expression_that_names_nothing_fails_the_task() -> None:
    with pytest.raises(UndefinedError, match="missing"):
        rendered({"start": "{{ plan['missing'] }}"}, plan={})


def test_mapped_values_are_not_rendered_again() -> None:
    arguments = {"reason": "{{ secret }}"}
    with DAG("d"):
        operator = StepOperator(task_id="t", step_name="s", arguments=arguments)
    operator._do_render_template_fields(
        operator, ("arguments",), {"secret": "x"}, operator.get_template_env(), {id(operator.arguments)}
    )
    assert operator.arguments == arguments


def test_runner_of_the_settings_chooses_the_operator(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(step("t", "ingest.plan")).__name__ == "StepOperator"
    monkeypatch.setenv("SMARTGRID_STEP_RUNNER", "docker")
    get_settings.cache_clear()
    assert type(step("t", "ingest.plan")).__name__ == "DockerStepOperator"


def test_retry_policy_waits_after_a_signal_only() -> None:
    from smartgrid.orchestration.defaults import RETRY_POLICY

    killed = RETRY_POLICY.evaluate(StepKilled("s", 137, []), 1, 3)
    assert killed.retry_delay.total_seconds() == 120
    assert RETRY_POLICY.evaluate(StepFailed("s", 1, []), 1, 3).retry_delay is None


def test_missing_ml_environment_is_told_and_not_retried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: Program
) -> None:
    monkeypatch.setenv("SMARTGRID_STEP_PYTHON", str(tmp_path / "nowhere/python"))
    get_settings.cache_clear()
    with pytest.raises(StepMisconfigured, match=r"cannot start .*nowhere/python"):
        StepOperator(task_id="t", step_name="ingest.plan").execute(context())


def test_environment_without_the_libraries_is_told_and_not_retried(
    monkeypatch: pytest.MonkeyPatch, program: Program
) -> None:
    monkeypatch.setenv("SMARTGRID_STEP_PYTHON", sys.executable)  # this one: Airflow, no scikit-learn
    get_settings.cache_clear()
    with pytest.raises(StepMisconfigured, match="has no scikit-learn"):
        StepOperator(task_id="t", step_name="ingest.plan").execute(context())
