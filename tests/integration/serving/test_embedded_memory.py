"""What an unloaded version held goes back to the system."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from serving_process import MODEL, ServerProcess

from smartgrid.serving.model_repository import publish

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc"),
]

SCRIPT = Path(__file__).parent / "build_large_model.py"
MODEL_MB = 32


@pytest.fixture(scope="module")
def large_model() -> Path:
    """Kept between runs: importing TensorFlow takes ten seconds."""
    digest = hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:12]
    target = Path(tempfile.gettempdir()) / f"smartgrid-serving-large-{os.getuid()}-{digest}"
    if not target.exists():
        work = Path(tempfile.mkdtemp(prefix="smartgrid-serving-large-"))
        subprocess.run([sys.executable, str(SCRIPT), str(work / "model")], check=True, capture_output=True, timeout=200)
        try:
            work.rename(target)
        except OSError:
            shutil.rmtree(work)  # another run was faster
    return target / "model"


def memory_mb(server: ServerProcess) -> float:
    assert server.process is not None
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def wait_for(server: ServerProcess, wanted: dict[int, str]) -> None:
    deadline = time.monotonic() + 30
    states: dict[int, str] = {}
    while {version: states.get(version) for version in wanted} != wanted:
        assert time.monotonic() < deadline, states
        time.sleep(0.05)
        answer = requests.get(f"{server.rest_url}/v1/models/{MODEL}", timeout=20).json()
        states = {int(entry["version"]): entry["state"] for entry in answer.get("model_version_status", [])}


def test_memory_is_released_when_versions_are_unloaded(
    start_server: Callable[..., ServerProcess], base: Path, large_model: Path
) -> None:
    base.mkdir(parents=True)
    server = start_server()
    for version in (1, 2):
        publish(large_model, base, version)
        wait_for(server, {version: "AVAILABLE"})
    wait_for(server, {1: "END"})
    with_one = memory_mb(server)
    for version in range(3, 6):
        publish(large_model, base, version)
        wait_for(server, {version: "AVAILABLE", version - 1: "END"})
    assert memory_mb(server) < with_one + MODEL_MB / 2
    for folder in base.iterdir():
        folder.rename(base.parent / f"gone-{folder.name}")
    wait_for(server, {5: "END"})
    assert memory_mb(server) < with_one - MODEL_MB / 2
