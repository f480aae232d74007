"""A server with batching answers as one without; only the speed differs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
from serving_process import MODEL, ROOT, ServerProcess, free_port

from smartgrid.serving import connect
from smartgrid.serving.errors import PredictionRejected
from smartgrid.serving.model_repository import publish

pytestmark = pytest.mark.servers

Expected = dict[str, np.ndarray]
PARAMETERS = "max_batch_size { value: 16 } batch_timeout_micros { value: 20000 } num_batch_threads { value: 2 }"


@pytest.fixture
def batching_server(
    start_server: Callable[..., ServerProcess], base: Path, saved_models: Path, tmp_path: Path
) -> Iterator[ServerProcess]:
    publish(saved_models / "v1", base, 1)
    parameters = tmp_path / "batching.config"
    parameters.write_text(PARAMETERS)
    return start_server(
        f"--model_name={MODEL}", f"--model_base_path={base}", "--enable_batching",
        f"--batching_parameters_file={parameters}",
    )  # fmt: skip


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_requests_at_the_same_time_get_their_own_rows(
    batching_server: ServerProcess, expected: Expected, protocol: str
) -> None:
    address = (
        {"rest_url": batching_server.rest_url} if protocol == "rest" else {"grpc_target": batching_server.grpc_target}
    )
    features = expected["features"]

    def ask(number: int) -> np.ndarray:
        client = connect(**address)
        rows = client.predict(MODEL, features[number : number + 1 + number % 3])
        client.close()
        return rows

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(47)))
    for number, answer in enumerate(answers):
        wanted = expected["load_kw_1"][number : number + 1 + number % 3]
        np.testing.assert_allclose(answer, wanted, rtol=1e-12)


def test_wrong_requests_do_not_fail_those_beside_them(batching_server: ServerProcess, expected: Expected) -> None:
    features = expected["features"]

    def ask(number: int) -> str:
        client = connect(rest_url=batching_server.rest_url)
        try:
            client.predict(MODEL, features[:1, : 7 if number % 2 else 5])
        except PredictionRejected as error:
            return str(error)
        finally:
            client.close()
        return "ok"

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(40)))
    assert set(answers[1::2]) == {"ok"}
    assert all("Matrix size-incompatible" in answer for answer in answers[::2])


def test_too_many_rows_are_refused_as_tensorflow_serving_does(batching_server: ServerProcess) -> None:
    answer = requests.post(
        f"{batching_server.rest_url}/v1/models/{MODEL}:predict", json={"instances": [[0.5] * 7] * 17}, timeout=20
    )
    assert answer.status_code == 400
    assert "Task size 17 is larger than maximum input batch size 16" in answer.json()["error"]


def test_new_version_replaces_the_old_one_between_batches(
    batching_server: ServerProcess, base: Path, saved_models: Path, expected: Expected
) -> None:
    client = connect(grpc_target=batching_server.grpc_target)
    features = expected["features"][:5]
    publish(saved_models / "v2", base, 2)
    seen = set()
    while 2 not in seen:
        answer = client.predict(MODEL, features)
        (version,) = [v for v in (1, 2) if np.allclose(answer, expected[f"load_kw_{v}"][:5])]
        seen.add(version)
    client.close()


def test_parameters_without_the_flag_end_the_start(base: Path, tmp_path: Path) -> None:
    parameters = tmp_path / "batching.config"
    parameters.write_text(PARAMETERS)
    done = subprocess.run(
        [
            sys.executable, "-m", "tf_serving.embedded", f"--port={free_port()}", f"--model_base_path={base}",
            f"--batching_parameters_file={parameters}",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "set without setting server_options.enable_batching to true" in done.stderr
