from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from smartgrid.platform.identity import ID_VARIABLE, PROGRAM_VARIABLE, end, our_processes, platform_id

SLEEPER = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"


@contextmanager
def process(home: Path, program: str, code: str = SLEEPER) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {ID_VARIABLE: platform_id(home), PROGRAM_VARIABLE: program}
    child = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def test_processes_of_another_platform_are_never_ours(tmp_path: Path) -> None:
    with process(tmp_path / "a", "mlflow") as mine, process(tmp_path / "b", "mlflow"):
        assert [found.pid for found in our_processes(tmp_path / "a")] == [mine.pid]


def test_one_program_can_be_told_from_the_others(tmp_path: Path) -> None:
    with process(tmp_path, "mlflow") as mlflow, process(tmp_path, "model-server") as server:
        assert [found.pid for found in our_processes(tmp_path, "mlflow")] == [mlflow.pid]
        assert {found.pid for found in our_processes(tmp_path)} == {mlflow.pid, server.pid}


def test_grandchildren_in_sessions_of_their_own_are_found(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True);"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with process(tmp_path, "airflow-scheduler", code) as parent:
        assert parent.stdout is not None
        grandchild = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        assert [found.pid for found in our_processes(tmp_path, "airflow-scheduler")] == [grandchild]
        assert end(our_processes(tmp_path), grace_s=5) == 1
        assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    with process(tmp_path, "airflow-scheduler", STUBBORN) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        end(our_processes(tmp_path), grace_s=0.5)
        assert not psutil.pid_exists(stubborn.pid)


def test_the_caller_and_its_ancestors_are_spared(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; import sys; from smartgrid.platform.identity import our_processes;"
        "print([p.pid for p in our_processes(Path(sys.argv[1]))])"
    )
    environment = os.environ | {ID_VARIABLE: platform_id(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
