"""`make run` ends well although processes are killed with SIGKILL in the middle."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from running_platform import RunningPlatform, eventually

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.timeout(1500)]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[RunningPlatform]:
    running = RunningPlatform(tmp_path / "home")
    try:
        yield running
    finally:
        running.stop()


def step_process(platform: RunningPlatform, step: str) -> psutil.Process | None:
    """The process of the step `step` of the pipeline, if it runs."""
    for process in platform.processes("airflow-scheduler"):
        try:
            arguments = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if step in arguments and "smartgrid" in arguments and "-I" not in arguments:
            return process
    return None


def worker_of(process: psutil.Process) -> psutil.Process:
    """The Airflow worker above a step."""
    return next(parent for parent in process.parents() if "LocalExecutor" in parent.cmdline()[0])


def test_killed_processes_come_back_and_the_run_succeeds(platform: RunningPlatform, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    run = platform.start_run(log)
    try:
        # The scheduler, in the middle of a task.
        step = eventually(lambda: step_process(platform, "ingest.ingest"), 300, "ingest runs")
        scheduler = platform.main_process("airflow-scheduler")
        scheduler.kill()
        eventually(lambda: not step.is_running(), 60, "the step of the killed scheduler is ended")

        # The worker of a running task, alone.
        step = eventually(lambda: step_process(platform, "quality.validate"), 300, "validation runs")
        worker_of(step).kill()
        eventually(lambda: not step.is_running(), 60, "the step of the killed worker ends")

        # Everything else, while a model is trained.
        eventually(lambda: step_process(platform, "automl.train"), 400, "training runs")
        killed = {}
        for program in ("airflow-api-server", "airflow-dag-processor", "mlflow", "model-server"):
            killed[program] = platform.main_process(program).pid
            os.kill(killed[program], 9)
        assert run.wait(timeout=900) == 0, log.read_text()[-6000:]
        for program, pid in killed.items():
            assert platform.main_process(program).pid != pid
        assert platform.main_process("airflow-scheduler").pid != scheduler.pid
    finally:
        run.kill()
        run.wait()
    output = log.read_text()
    assert "beats both naive forecasts" in output
    assert platform.call("status").returncode == 0


def test_an_interrupted_run_is_taken_up_again(platform: RunningPlatform, tmp_path: Path) -> None:
    run = platform.start_run(tmp_path / "first.log")
    eventually(lambda: step_process(platform, "automl.train"), 500, "training runs")
    run.terminate()
    run.wait(30)
    trained_before = platform.airflow_api("dags/retrain_load_forecast/dagRuns")["total_entries"]
    result = platform.call("run", timeout_s=800)
    assert result.returncode == 0, result.stdout[-6000:]
    assert "Ingest measurements: already there" in result.stdout
    assert platform.airflow_api("dags/retrain_load_forecast/dagRuns")["total_entries"] == trained_before
