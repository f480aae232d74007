"""What a trainer really used is known, whatever became of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from smartgrid.automl.child_process import TrainerTimedOut, run_limited
from smartgrid.automl.disk_full import DiskFull
from smartgrid.automl.progress import TrialReport
from smartgrid.automl.usage import Usage

TARGETS = """
import resource, signal, subprocess, sys, time
from smartgrid.automl.progress import report_trial

BURN = "import time\\nwhile time.process_time() < {s}: pass\\n"

def burn_in_worker(progress, s):
    worker = subprocess.Popen([sys.executable, "-c", BURN.format(s=s) + "time.sleep(600)"])
    held = bytearray(b"x" * 200_000_000)
    while True:
        time.sleep(0.1)

def burn(progress, s):
    while time.process_time() < s:
        pass
    subprocess.run([sys.executable, "-c", BURN.format(s=s)])
    return "done"

def trial(progress):
    report_trial(progress, 5, 0.125, 7.0, "a tree")

def fill_the_disk(progress, path):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    try:
        open(path, "wb").write(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


@pytest.fixture(autouse=True)
def targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "usage_targets.py").write_text(TARGETS, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_seconds_of_a_worker_that_is_killed_with_its_trainer_are_counted() -> None:
    usage = Usage()
    with pytest.raises(TrainerTimedOut):
        run_limited(
            "usage_targets:burn_in_worker",
            {"s": 1.5},
            wall_s=12,
            memory_mb=2000,
            threads=1,
            progress=print,
            usage=usage,
        )
    assert usage.cpu_s > 1.3
    assert usage.peak_memory_mb > 200


def test_seconds_of_ended_processes_are_counted_once_and_calls_add_up() -> None:
    usage = Usage()
    for _ in range(2):
        run_limited("usage_targets:burn", {"s": 1.0}, wall_s=60, memory_mb=2000, threads=1, progress=print, usage=usage)
    # Two calls of 1 s each in the trainer and in its process, and what starting Python takes.
    assert 3.8 < usage.cpu_s < 8


def test_trials_come_back_with_their_numbers() -> None:
    lines: list[str] = []
    run_limited("usage_targets:trial", {}, wall_s=30, memory_mb=2000, threads=1, progress=lines.append)
    assert isinstance(lines[0], TrialReport)
    assert (lines[0].trial, lines[0].score, lines[0].left_s) == (5, 0.125, 7.0)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of file sizes are Linux's")
def test_no_room_on_the_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskFull) as caught:
        run_limited(
            "usage_targets:fill_the_disk",
            {"path": str(tmp_path / "file")},
            wall_s=30,
            memory_mb=2000,
            threads=1,
            progress=print,
        )
    assert "No room to write" in str(caught.value)
