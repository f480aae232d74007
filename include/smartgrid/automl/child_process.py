"""Run a function in a child process with hard limits on wall-clock time, memory and threads.

AutoML libraries overrun their own time limits and start processes of their own. The child gets its own process group
and is watched from outside: at a limit the whole tree is killed, and the best result that the child had saved by then
is used. Memory is the resident size of the tree; an address-space limit would stop libraries that merely reserve.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from smartgrid.automl.disk_full import naming_a_full_disk
from smartgrid.automl.progress import TrialReport, as_record, from_record
from smartgrid.automl.usage import Usage, watch
from smartgrid.errors import SmartGridError

POLL_S = 0.25
TAIL_LINES = 20
PROGRESS_PREFIX = "progress: "
TRIAL_PREFIX = "trial: "
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "POLARS_MAX_THREADS",
)
CHECKPOINT_VARIABLE = "TRAINER_CHECKPOINT_FILE"


class TrainerTimedOut(SmartGridError):
    """A trainer was killed at its time limit and had saved nothing."""

    def __init__(self, target: str, wall_s: float) -> None:
        self.target, self.wall_s = target, wall_s
        super().__init__(
            f"{target} found nothing within {wall_s:.0f} s and was stopped. Give it a larger budget "
            "(SMARTGRID_TRAINING__BUDGET_S) or fewer rows."
        )


class TrainerOutOfMemory(SmartGridError):
    """A trainer was killed at its memory limit, or by the system, and had saved nothing."""

    def __init__(self, target: str, used_mb: float, limit_mb: float) -> None:
        self.target, self.used_mb, self.limit_mb = target, used_mb, limit_mb
        super().__init__(
            f"{target} used {used_mb:.0f} MB of {limit_mb:.0f} MB and was stopped. Raise "
            "SMARTGRID_TRAINING__MEMORY_LIMIT_MB or give it fewer rows."
        )


class TrainerCrashed(SmartGridError):
    """A trainer ended with an error; `tail` holds the last lines that it wrote."""

    def __init__(self, target: str, exit_code: int, tail: list[str]) -> None:
        self.target, self.exit_status, self.tail = target, exit_code, tail
        text = "\n".join(f"  {line}" for line in tail)
        # The last line first: a leaderboard shows only the beginning.
        reason = f": {tail[-1].strip()}" if tail else ""
        super().__init__(f"{target} ended with exit status {exit_code}{reason}. Last lines:\n{text}")


def checkpoint(result: Any) -> None:
    """Called inside a limited child: keep `result` as the best so far. Elsewhere it does nothing."""
    path = os.environ.get(CHECKPOINT_VARIABLE)
    if path:
        _save(result, Path(path))


def run_limited(
    target: str,
    kwargs: dict[str, Any],
    *,
    wall_s: float,
    memory_mb: float,
    threads: int,
    progress: Callable[[str], None],
    usage: Usage | None = None,
) -> Any:
    """Call `target` ("module:function") with `kwargs` and `progress=` in a child process and return its result.

    Args:
        wall_s: from the start of the child, its imports included.
        memory_mb: resident size of the child and all its descendants.
        threads: of numeric libraries.
        progress: gets each line that the child reports; a trial arrives as `TrialReport`.
        usage: what the child and all its descendants used is added to it, also when it is stopped.

    Raises:
        TrainerTimedOut, TrainerOutOfMemory: stopped before `checkpoint` had been called once.
        TrainerCrashed: with the last lines of its output.
        SmartGridError: an error of the family that the target raised comes through as it is.
    """
    folder = Path(tempfile.mkdtemp(prefix="trainer-"))
    try:
        return _run(folder, target, kwargs, wall_s, memory_mb, threads, progress, usage or Usage())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(
    folder: Path,
    target: str,
    kwargs: dict[str, Any],
    wall_s: float,
    memory_mb: float,
    threads: int,
    progress: Callable[[str], None],
    usage: Usage,
) -> Any:
    _save({"target": target, "kwargs": kwargs}, folder / "call.pickle")
    checkpoint_file, result_file = folder / "checkpoint.pickle", folder / "result.pickle"
    environment = {
        **os.environ,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        CHECKPOINT_VARIABLE: str(checkpoint_file),
        "TMPDIR": str(folder),  # temporary files of the libraries vanish with the folder
        "PYTHONUNBUFFERED": "1",
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait slow down everybody on a busy machine
        "TF_CPP_MIN_LOG_LEVEL": "2",  # TensorFlow's greetings would push an error out of the tail
        "TF_ENABLE_ONEDNN_OPTS": "0",  # same sums in the same order: a seed gives one network
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    started = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "smartgrid.automl.child_process", str(folder)],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    tail: list[str] = []
    assert child.stdout is not None
    reader = threading.Thread(target=_forward, args=(child.stdout, progress, tail), daemon=True)
    reader.start()
    stopped, used_mb = "", 0.0
    watched = watch(child.pid)
    try:
        while child.poll() is None:
            used_mb = max(used_mb, watched.look())
            if used_mb > memory_mb:
                stopped = "memory"
            elif time.monotonic() - started > wall_s:
                stopped = "time"
            if stopped:
                break
            time.sleep(POLL_S)
    finally:
        # Also after a normal end: workers that the library left behind share the child's session.
        watched.settle()
        kill_tree(child.pid)
        child.wait()
        watched.add_to(usage)
    reader.join(timeout=5)
    child.stdout.close()

    if not stopped and result_file.exists():
        outcome = _load(result_file)
        if isinstance(outcome, _Failure):
            raise outcome.error()
        return outcome
    if not stopped and child.returncode == -signal.SIGKILL:
        stopped = "memory"  # nobody here killed it: the system did
    if stopped and checkpoint_file.exists():
        progress(
            f"stopped at its {stopped} limit after {time.monotonic() - started:.0f} s; using the best result so far"
        )
        return _load(checkpoint_file)
    if stopped == "memory":
        raise TrainerOutOfMemory(target, used_mb, memory_mb)
    if stopped == "time":
        raise TrainerTimedOut(target, wall_s)
    raise TrainerCrashed(target, child.returncode, tail[-TAIL_LINES:])


@dataclass(frozen=True, slots=True)
class _Failure:
    """An error of the family on its way to the parent: its constructor takes facts, so pickle cannot rebuild it."""

    kind: type[SmartGridError]
    message: str
    facts: dict[str, Any]

    def error(self) -> SmartGridError:
        error = self.kind.__new__(self.kind)
        Exception.__init__(error, self.message)
        vars(error).update(self.facts)
        return error


def kill_tree(pid: int) -> None:
    """Kill a process, its descendants, and whatever else is left in its session."""
    import psutil

    victims = []
    try:
        root = psutil.Process(pid)
        victims = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        pass
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == pid:
                victims.append(process)
        except (ProcessLookupError, PermissionError):
            continue
    for process in set(victims):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs([process for process in set(victims) if process.pid != pid], timeout=5)


def _forward(stream: IO[str], progress: Callable[[str], None], tail: list[str]) -> None:
    """Pass on what the child reports; keep the rest for the case that it crashes."""
    for line in stream:
        text = re.sub(r"\s+$", "", line)
        if text.startswith(PROGRESS_PREFIX):
            progress(text.removeprefix(PROGRESS_PREFIX))
        elif text.startswith(TRIAL_PREFIX):
            progress(from_record(json.loads(text.removeprefix(TRIAL_PREFIX))))
        elif text:
            tail.append(text)
            del tail[:-TAIL_LINES]


def _save(value: Any, path: Path) -> None:
    temporary = path.with_suffix(".writing")
    with temporary.open("wb") as file:
        pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
    os.replace(temporary, path)


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - written by our own child, in our own private folder


def _end_with_parent(parent: int, folder: Path) -> None:
    """The parent itself may be killed, by Airflow's timeout for one; nobody would watch the child then."""
    while os.getppid() == parent:
        time.sleep(1)
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def _child(folder: Path) -> int:
    """The child's side."""
    import importlib

    def report(line: str) -> None:
        if isinstance(line, TrialReport):
            sys.stdout.write(f"{TRIAL_PREFIX}{json.dumps(as_record(line))}\n")
        else:
            sys.stdout.write(f"{PROGRESS_PREFIX}{line}\n")
        sys.stdout.flush()

    threading.Thread(target=_end_with_parent, args=(os.getppid(), folder), daemon=True).start()
    call = _load(folder / "call.pickle")
    module, _, name = call["target"].partition(":")
    try:
        with naming_a_full_disk(folder):
            outcome = getattr(importlib.import_module(module), name)(progress=report, **call["kwargs"])
    except SmartGridError as error:
        outcome = _Failure(type(error), str(error), dict(vars(error)))
    # The exit below runs no handlers, and what Java used counts only once Java has been waited for.
    h2o_cluster = sys.modules.get("smartgrid.automl.h2o_cluster")
    if h2o_cluster is not None:
        h2o_cluster.close_shared_cluster()
    _save(outcome, folder / "result.pickle")
    sys.stdout.flush()
    # Threads of libraries (Dask, an evaluation that was given up) would keep the process alive.
    os._exit(0)


if __name__ == "__main__":
    # Under its real name, so that what is pickled here can be read by the parent.
    from smartgrid.automl import child_process

    sys.exit(child_process._child(Path(sys.argv[1])))
