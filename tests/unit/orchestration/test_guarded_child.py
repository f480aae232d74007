from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from smartgrid.orchestration.child import GuardedChild

# A step with a child in its own session and a detached grandchild: all write their process ids and wait.
FAMILY = """
import os, subprocess, sys, time
folder = sys.argv[1]
if len(sys.argv) == 2:
    subprocess.Popen([sys.executable, __file__, folder, "child"], start_new_session=True)
elif sys.argv[2] == "child":
    subprocess.Popen([sys.executable, __file__, folder, "detached"], start_new_session=True)
    if not os.fork():
        os.setsid()
        open(f"{folder}/{os.getpid()}.pid", "w").close()
        time.sleep(300)
elif os.fork():
    os._exit(0)  # its child is an orphan now
open(f"{folder}/{os.getpid()}.pid", "w").close()
print("waiting", flush=True)
time.sleep(300)
"""
FAMILY_SIZE = 4


@pytest.fixture
def family(tmp_path: Path) -> Path:
    (tmp_path / "family.py").write_text(FAMILY)
    return tmp_path


def members(folder: Path) -> list[psutil.Process]:
    """The processes of the family that live."""
    found = []
    for file in folder.glob("*.pid"):
        try:
            process = psutil.Process(int(file.stem))
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for_size(folder: Path, size: int, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while len(members(folder)) != size and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(members(folder)) == size


def command(folder: Path) -> list[str]:
    return [sys.executable, str(folder / "family.py"), str(folder)]


def test_lines_arrive_while_the_step_still_runs() -> None:
    code = "import time,sys; print('first'); sys.stdout.flush(); time.sleep(0.6); print('second', file=sys.stderr)"
    arrived: list[tuple[str, float]] = []
    outcome = GuardedChild([sys.executable, "-c", code], os.environ).run(
        lambda line: arrived.append((line, time.monotonic()))
    )
    assert [line for line, _ in arrived] == ["first", "second"]
    assert arrived[1][1] - arrived[0][1] > 0.4
    assert outcome.exit_code == 0
    assert outcome.stderr_tail == ["second"]


def test_progress_bars_and_endless_lines_become_lines() -> None:
    code = "import sys; sys.stdout.write('10%\\r20%\\r' + 'x' * 20000)"
    lines: list[str] = []
    GuardedChild([sys.executable, "-c", code], os.environ).run(lines.append)
    assert lines[:2] == ["10%", "20%"]
    assert "".join(lines[2:]) == "x" * 20000
    assert max(map(len, lines)) <= 8192


@pytest.mark.parametrize(
    ("code", "expected"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_exit_code_tells_how_it_ended(code: str, expected: int) -> None:
    assert GuardedChild([sys.executable, "-c", code], os.environ).run(print).exit_code == expected


def test_missing_program_is_named() -> None:
    outcome = GuardedChild(["/no/such/python", "-m", "x"], os.environ).run(print)
    assert outcome.exit_code == 127
    assert outcome.stderr_tail == ["cannot start /no/such/python: No such file or directory"]


def test_kill_ends_detached_descendants_too(family: Path) -> None:
    child = GuardedChild(command(family), os.environ)
    runner = threading.Thread(target=child.run, args=(lambda _line: None,), daemon=True)
    runner.start()
    wait_for_size(family, FAMILY_SIZE, within_s=20)
    child.process.stdin.close()  # what kill() does first; run() then ends by itself
    runner.join(timeout=10)
    assert not runner.is_alive()
    assert members(family) == []


def test_descendants_left_behind_by_a_finished_step_are_ended(family: Path) -> None:
    program = f"import subprocess,sys; subprocess.Popen({command(family)!r}, start_new_session=True)"
    waiting = (
        "import glob,time\n" + f"while len(glob.glob({str(family)!r} + '/*.pid')) < {FAMILY_SIZE}: time.sleep(0.05)"
    )
    outcome = GuardedChild([sys.executable, "-c", f"{program}\n{waiting}"], os.environ).run(lambda _line: None)
    assert outcome.exit_code == 0
    assert members(family) == []


def test_step_that_ignores_sigterm_is_killed(family: Path) -> None:
    code = "import signal,time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)"
    child = GuardedChild([sys.executable, "-c", code], os.environ)
    started = time.monotonic()
    outcome = child.run(lambda _line: child.process.stdin.close())
    assert outcome.exit_code == 137
    assert time.monotonic() - started < 8


WORKER = """
import os, sys
from smartgrid.orchestration.child import GuardedChild
GuardedChild(sys.argv[1:], os.environ).run(lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_survives_the_death_of_the_worker(family: Path, number: signal.Signals) -> None:
    (family / "worker.py").write_text(WORKER)
    worker = subprocess.Popen([sys.executable, str(family / "worker.py"), *command(family)])
    wait_for_size(family, FAMILY_SIZE, within_s=30)
    worker.send_signal(number)
    worker.wait()
    wait_for_size(family, 0, within_s=5)


def test_nothing_survives_the_death_of_the_guard(family: Path) -> None:
    child = GuardedChild(command(family), os.environ)
    runner = threading.Thread(target=child.run, args=(lambda _line: None,), daemon=True)
    runner.start()
    wait_for_size(family, FAMILY_SIZE, within_s=20)
    child.process.kill()
    runner.join(timeout=10)
    assert not runner.is_alive()
    wait_for_size(family, 0, within_s=5)
