"""Hard limits around a trainer."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from smartgrid.automl.child_process import TrainerCrashed, TrainerOutOfMemory, TrainerTimedOut, run_limited
from smartgrid.automl.trainer import NotEnoughHistory

TARGETS = """
import os, subprocess, sys, tempfile, time
from smartgrid.automl.child_process import checkpoint
from smartgrid.automl.trainer import NotEnoughHistory

def add(a, b, progress):
    progress(f"adding {a} and {b}")
    return {"sum": a + b, "threads": os.environ["OMP_NUM_THREADS"]}

def linger(pid_file, progress, save=True):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(pid_file, "w").write(f"{os.getpid()} {child.pid} {tempfile.mkdtemp()}")
    if save:
        checkpoint("first")
        checkpoint("best")
    while True:
        time.sleep(1)

def leave_a_worker(pid_file, progress):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(pid_file, "w").write(str(child.pid))
    return "done"

def fail(progress):
    print("almost there")
    raise RuntimeError("no such thing")

def refuse(progress):
    raise NotEnoughHistory(3, 28, "here")

def grow(progress):
    held = []
    while True:
        held.append(bytearray(os.urandom(1_000_000) * 30))
        time.sleep(0.01)

def shot(progress):
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module", autouse=True)
def targets(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("targets")
    (folder / "limited_targets.py").write_text(TARGETS, encoding="utf-8")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{before}" if before else str(folder)
    yield
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def _run(name: str, wall_s: float = 60, memory_mb: float = 2000, lines: list[str] | None = None, **kwargs: Any) -> Any:
    progress = (lines if lines is not None else []).append
    return run_limited(
        f"limited_targets:{name}", kwargs, wall_s=wall_s, memory_mb=memory_mb, threads=1, progress=progress
    )


def _is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_result_and_progress_come_back() -> None:
    lines: list[str] = []
    assert _run("add", a=1, b=2, lines=lines) == {"sum": 3, "threads": "1"}
    assert lines == ["adding 1 and 2"]


def test_time_limit_kills_the_whole_tree_and_returns_the_best_so_far(tmp_path: Path) -> None:
    lines: list[str] = []
    started = time.monotonic()
    assert _run("linger", wall_s=4, pid_file=str(tmp_path / "pids"), lines=lines) == "best"
    assert time.monotonic() - started < 8
    child, worker, folder = (tmp_path / "pids").read_text().split()
    assert _is_gone(int(child))
    assert _is_gone(int(worker))
    assert not Path(folder).exists()
    assert "best result so far" in lines[-1]


def test_time_limit_without_a_result_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainerTimedOut) as caught:
        _run("linger", wall_s=3, pid_file=str(tmp_path / "pids"), save=False)
    assert caught.value.wall_s == 3


def test_workers_left_behind_by_a_finished_trainer_are_ended(tmp_path: Path) -> None:
    assert _run("leave_a_worker", pid_file=str(tmp_path / "pid")) == "done"
    assert _is_gone(int((tmp_path / "pid").read_text()))


def test_memory_limit_is_an_error_with_facts() -> None:
    with pytest.raises(TrainerOutOfMemory) as caught:
        _run("grow", memory_mb=300)
    assert caught.value.limit_mb == 300
    assert caught.value.used_mb > 300


def test_child_killed_by_the_system_counts_as_out_of_memory() -> None:
    with pytest.raises(TrainerOutOfMemory):
        _run("shot")


def test_crash_shows_the_last_lines() -> None:
    with pytest.raises(TrainerCrashed) as caught:
        _run("fail")
    assert "almost there" in caught.value.tail
    assert caught.value.tail[-1] == "RuntimeError: no such thing"


def test_our_own_errors_come_through_with_their_facts() -> None:
    with pytest.raises(NotEnoughHistory) as caught:
        _run("refuse")
    assert (caught.value.have_days, caught.value.need_days) == (3, 28)
    assert str(caught.value).startswith("here: 3 usable days")


def test_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = (
        "from smartgrid.automl.child_process import run_limited\n"
        f"run_limited('limited_targets:linger', {{'pid_file': {str(tmp_path / 'pids')!r}}}, wall_s=120, "
        "memory_mb=2000, threads=1, progress=print)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 30
    while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    parent.kill()
    parent.wait()
    child, worker, _ = (tmp_path / "pids").read_text().split()
    while not (_is_gone(int(child)) and _is_gone(int(worker))):
        assert time.monotonic() < deadline
        time.sleep(0.2)
