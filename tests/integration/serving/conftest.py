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
TYPED_SCRIPT = Path(__file__).parent / "build_typed_models.py"


@pytest.fixture(scope="session")
def saved_models() -> Path:
    """Folder with v1, v2 and expected.npz."""
    return _built(SCRIPT)


def _built(script: Path) -> Path:
    """The folder that the script writes. Kept between runs: importing TensorFlow takes ten seconds."""
    digest = hashlib.sha256(script.read_bytes()).hexdigest()[:12]
    target = Path(tempfile.gettempdir()) / f"smartgrid-serving-models-{os.getuid()}-{digest}"
    if not target.exists():
        work = Path(tempfile.mkdtemp(prefix="smartgrid-serving-models-"))
        subprocess.run([sys.executable, str(script), str(work)], check=True, capture_output=True, timeout=200)
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


def _typed_server(folder: Path, *flags: str) -> ServerProcess:
    models = _built(TYPED_SCRIPT)
    entries = []
    for name in ("typed", "half_plus_two"):
        publish(models / name, folder / name, 1)
        entries.append(f'config {{ name: "{name}" base_path: "{folder / name}" model_platform: "tensorflow" }}')
    config = folder / "models.config"
    config.write_text("model_config_list { " + " ".join(entries) + " }")
    return ServerProcess(folder / "server.log", f"--model_config_file={config}", *flags).start()


@pytest.fixture(scope="session")
def typed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Serves `typed`, with a signature for every type, and `half_plus_two`."""
    server = _typed_server(tmp_path_factory.mktemp("typed"))
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def typed_server_with_cors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The same, for other origins and with a short time limit."""
    folder = tmp_path_factory.mktemp("cors")
    server = _typed_server(folder, "--rest_api_enable_cors_support", "--rest_api_timeout_in_ms=400")
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def typed_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base path of `typed`, with version 1."""
    base = tmp_path_factory.mktemp("typed-models") / "typed"
    publish(_built(TYPED_SCRIPT) / "typed", base, 1)
    return base
