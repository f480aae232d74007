"""Deadlines, retries and chunks of the client."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping

import numpy as np
import pytest

from smartgrid.serving.chunks import predict_in_chunks, row_chunks
from smartgrid.serving.errors import DeadlineExceeded, ModelNotFound, ServerUnreachable
from smartgrid.serving.retry import with_retries


def test_call_is_repeated_until_the_server_is_back() -> None:
    answers = [ServerUnreachable("a", "refused"), ServerUnreachable("a", "refused"), "answer"]

    def call(_left_s: float) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert with_retries(call, address="a", timeout_s=10) == "answer"


def test_other_errors_are_not_repeated() -> None:
    calls = []

    def call(_left_s: float) -> None:
        calls.append(1)
        raise ModelNotFound("m", "text")

    with pytest.raises(ModelNotFound):
        with_retries(call, address="a", timeout_s=10)
    assert len(calls) == 1


def test_all_attempts_share_one_deadline() -> None:
    left = []

    def call(left_s: float) -> None:
        left.append(left_s)
        raise ServerUnreachable("a", "refused")

    started = time.monotonic()
    with pytest.raises(ServerUnreachable):
        with_retries(call, address="a", timeout_s=0.5)
    assert time.monotonic() - started < 0.6
    assert len(left) > 1
    assert left == sorted(left, reverse=True)
    assert left[0] <= 0.5


def test_no_time_left_is_a_deadline_exceeded() -> None:
    with pytest.raises(DeadlineExceeded, match="a gave no answer within 0 s"):
        with_retries(lambda _: None, address="a", timeout_s=0)


@pytest.mark.parametrize(
    ("rows", "columns", "limit", "sizes"),
    [(10, 2, 8, [4, 4, 2]), (3, 2, 100, [3]), (3, 50, 10, [1, 1, 1]), (4, 1, 2, [2, 2])],
)
def test_chunks_keep_all_rows_in_order(rows: int, columns: int, limit: int, sizes: list[int]) -> None:
    features = np.arange(rows * columns, dtype=float).reshape(rows, columns)
    chunks = list(row_chunks({"x": features}, limit))
    assert [len(chunk["x"]) for chunk in chunks] == sizes
    assert np.array_equal(np.concatenate([chunk["x"] for chunk in chunks]), features)


def test_several_inputs_are_cut_at_the_same_rows_and_uneven_ones_not_at_all() -> None:
    inputs = {"a": np.arange(4), "b": np.arange(8).reshape(4, 2)}
    chunks = list(row_chunks(inputs, 6))
    assert [(chunk["a"].tolist(), chunk["b"].shape) for chunk in chunks] == [([0, 1], (2, 2)), ([2, 3], (2, 2))]
    for uneven in ({"a": np.arange(4), "b": np.arange(3)}, {"a": np.array(1.0)}, {"a": np.arange(9)[:0]}):
        (chunk,) = row_chunks(uneven, 1)
        assert chunk.keys() == uneven.keys()


@pytest.mark.parametrize(
    ("pinned", "limit", "asked"), [(False, 2, [7, 7]), (True, 2, [None, None]), (False, 9, [None])]
)
def test_parts_of_one_request_go_to_one_version(pinned: bool, limit: int, asked: list[int | None]) -> None:
    seen: list[int | None] = []

    def predict_chunk(chunk: Mapping[str, np.ndarray], version: int | None) -> dict[str, np.ndarray]:
        seen.append(version)
        return {"y": chunk["x"][:, 0]}

    answer = predict_in_chunks(
        {"x": np.ones((4, 1))}, predict_chunk, lambda: 7, pinned=pinned, values_per_request=limit
    )
    assert seen == asked
    assert answer["y"].tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("smartgrid.serving", ["numpy", "tensorflow", "grpc"]),
        ("smartgrid.serving.grpc_client", ["numpy", "tensorflow", "tensorflow_serving"]),
        ("tf_serving.embedded.server", ["tensorflow", "smartgrid", "tensorflow.python", "grpc"]),
        ("tf_serving.embedded.workers", ["numpy", "tensorflow", "grpc", "h2corn", "google.protobuf"]),
    ],
)
def test_import_stays_light(module: str, absent: list[str]) -> None:
    script = f"import sys, {module}; print([name for name in {absent} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
