"""SavedModels made once, and embedded servers on free ports."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from serving_process import MODEL, ServerProcess

from smartgrid.serving.model_repository import publish

SCRIPT = Path(__file__).parent / "build_serving_models.py"


@pytest.fixture(scope="session")
def saved_models() -> Path:
    """Folder with v1, v2 and expected.npz. Kept between runs: importing TensorFlow takes ten seconds."""
    digest = hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:12]
    target = Path(tempfile.gettempdir()) / f"smartgrid-serving-models-{os.getuid()}-{digest}"
    if not target.exists():
        work = Path(tempfile.mkdtemp(prefix="smartgrid-serving-models-"))
        subprocess.run([sys.executable, str(SCRIPT), str(work)], check=True, capture_output=True, timeout=200)
        try:
            work.rename(target)
        except OSError:
            shutil.rmtree(work)  # another run was faster
    return target


@pytest.fixture(scope="session")
def expected(saved_models: Path) -> dict[str, np.ndarray]:
    """`features` and what each version predicts for them, `load_kw_1` and `load_kw_2`."""
    with np.load(saved_models / "expected.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "models" / MODEL


@pytest.fixture
def start_server(tmp_path: Path, base: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers on `base`; they end with the test."""
    servers: list[ServerProcess] = []

    def start(*flags: str) -> ServerProcess:
        flags = flags or (f"--model_name={MODEL}", f"--model_base_path={base}")
        servers.append(ServerProcess(tmp_path / f"server-{len(servers)}.log", *flags))
        return servers[-1].start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def shared_server(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server with version 1 for all tests that change nothing."""
    folder = tmp_path_factory.mktemp("shared")
    publish(saved_models / "v1", folder / "models" / MODEL, 1)
    server = ServerProcess(
        folder / "server.log",
        f"--model_name={MODEL}",
        f"--model_base_path={folder / 'models' / MODEL}",
        "--enable_grpc_healthcheck_service",
        "--no_such_flag=7",
    ).start()
    yield server
    assert server.stop() == 0
