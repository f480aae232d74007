"""The gRPC face as real clients see it: compression, deadlines, sizes, what is no gRPC, many calls at once."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from serving_process import MODEL, ServerProcess
from serving_stubs import model_service_pb2_grpc, prediction_service_pb2_grpc

from smartgrid.serving.model_repository import publish
from tf_serving.embedded.protos import get_model_status_pb2, predict_pb2
from tf_serving.embedded.tensor_proto import fill_proto, to_array

pytestmark = pytest.mark.servers

Start = Callable[..., ServerProcess]
Expected = dict[str, np.ndarray]
PREDICT = "/tensorflow.serving.PredictionService/Predict"
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def request_for(features: np.ndarray) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    fill_proto(request.inputs["features"], features)
    return request


def slow_request(rounds: int) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "typed", "slow"
    fill_proto(request.inputs["steps"], np.array(rounds, np.int64))
    return request


IS_GRPC = ("-H", "content-type: application/grpc+proto", "-H", "te: trailers")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


def curl(server: ServerProcess, *options: str) -> str:
    command = ["curl", "-s", "-i", "--http2-prior-knowledge", "--max-time", "10", *options]
    done = subprocess.run([*command, f"http://{server.grpc_target}{PREDICT}"], capture_output=True, timeout=20)
    return done.stdout.decode("latin-1").lower()


@pytest.fixture
def stub(shared_server: ServerProcess) -> Iterator[Any]:
    with grpc.insecure_channel(shared_server.grpc_target, UNLIMITED) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.mark.parametrize("compression", list(grpc.Compression))
def test_requests_may_be_compressed(stub: Any, expected: Expected, compression: grpc.Compression) -> None:
    features = np.repeat(expected["features"], 20, axis=0)  # large enough to be worth it
    response = stub.Predict(request_for(features), compression=compression)
    want = np.repeat(expected["load_kw_1"], 20, axis=0)
    np.testing.assert_allclose(to_array("load_kw", response.outputs["load_kw"]), want, rtol=1e-12)


@needs_curl
@pytest.mark.parametrize(("algorithm", "name"), [(1, "deflate"), (2, "gzip")])
def test_answers_are_compressed_where_the_channel_arguments_say_so(
    start_server: Start,
    base: Path,
    saved_models: Path,
    expected: Expected,
    tmp_path: Path,
    algorithm: int,
    name: str,
) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server(
        f"--model_name={MODEL}", f"--model_base_path={base}",
        f"--grpc_channel_arguments=grpc.default_compression_algorithm={algorithm},grpc.max_receive_message_length=4000",
    )  # fmt: skip
    with grpc.insecure_channel(server.grpc_target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        features = np.repeat(expected["features"][:1], 60, axis=0)
        assert len(to_array("load_kw", stub.Predict(request_for(features)).outputs["load_kw"])) == 60
        body = tmp_path / "body"
        message = request_for(features).SerializeToString()
        body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
        for accepted, encoded in (("identity, deflate, gzip", True), ("identity", False)):
            answer = curl(server, "--data-binary", f"@{body}", *IS_GRPC, "-H", f"grpc-accept-encoding: {accepted}")
            assert (f"grpc-encoding: {name}" in answer) is encoded
        with pytest.raises(grpc.RpcError, match=r"Received message larger than max \(\d+ vs. 4000\)") as caught:
            stub.Predict(request_for(np.repeat(features, 9, axis=0)))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_messages_of_many_megabytes_come_through(stub: Any, expected: Expected) -> None:
    features = np.repeat(expected["features"][:1], 1_000_000, axis=0)  # 56 MB, and 8 MB back
    answer = to_array("load_kw", stub.Predict(request_for(features), timeout=120).outputs["load_kw"])
    np.testing.assert_allclose(answer, np.full(1_000_000, expected["load_kw_1"][0]), rtol=1e-12)


def test_a_few_bytes_that_claim_a_large_tensor_hold_nobody_up(stub: Any, shared_server: ServerProcess) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    tensor = request.inputs["features"]
    tensor.dtype = 2
    for size in (2_000_000, 7):
        tensor.tensor_shape.dim.add(size=size)
    tensor.double_val.append(0.5)
    large = stub.Predict.future(request, timeout=100)
    began = time.monotonic()
    assert len(to_array("load_kw", stub.Predict(request_for(np.zeros((1, 7)))).outputs["load_kw"])) == 1
    assert time.monotonic() - began < 5
    assert len(large.result().outputs["load_kw"].double_val) == 2_000_000


def test_two_hundred_calls_at_once_on_one_connection(shared_server: ServerProcess, expected: Expected) -> None:
    async def ask() -> list[Any]:
        async with grpc.aio.insecure_channel(shared_server.grpc_target) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            rows = [row % len(expected["features"]) for row in range(200)]
            return await asyncio.gather(*(stub.Predict(request_for(expected["features"][[row]])) for row in rows))

    for row, response in enumerate(asyncio.run(ask())):
        want = expected["load_kw_1"][row % len(expected["features"])]
        assert to_array("load_kw", response.outputs["load_kw"])[0] == pytest.approx(want, rel=1e-12)


def test_a_deadline_ends_a_slow_run_and_the_server_goes_on(typed_server: ServerProcess) -> None:
    with grpc.insecure_channel(typed_server.grpc_target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for _ in range(20):  # more than there are threads: none may be held for ever
            began = time.monotonic()
            with pytest.raises(grpc.RpcError) as caught:
                stub.Predict(slow_request(10**12), timeout=0.2)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert time.monotonic() - began < 5
        assert stub.Predict(slow_request(3), timeout=10).outputs["count"].int64_val


def test_a_cancelled_call_is_forgotten(typed_server: ServerProcess) -> None:
    with grpc.insecure_channel(typed_server.grpc_target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        calls = [stub.Predict.future(slow_request(10**12), timeout=2) for _ in range(5)]
        time.sleep(0.3)
        for call in calls:
            call.cancel()
        assert stub.Predict(slow_request(3), timeout=20).outputs["count"].int64_val


@pytest.mark.parametrize(
    ("method", "message", "code", "text"),
    [
        (PREDICT, b"\xff\xff", "INTERNAL", "Exception deserializing request!"),
        ("/tensorflow.serving.PredictionService/Guess", b"", "UNIMPLEMENTED", "Method not found!"),
        ("/tensorflow.serving.SessionService/SessionRun", b"", "UNIMPLEMENTED", "Method not found!"),
        ("/no.such.Service/Predict", b"x" * 100_000, "UNIMPLEMENTED", "Method not found!"),
    ],
)
def test_what_cannot_be_answered_gets_its_status(
    shared_server: ServerProcess, method: str, message: bytes, code: str, text: str
) -> None:
    with grpc.insecure_channel(shared_server.grpc_target) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(method)(message, timeout=10)
        assert caught.value.code().name == code
        assert caught.value.details() == text


def test_texts_beyond_ascii_reach_the_client(stub: Any) -> None:
    request = request_for(np.zeros((1, 7)))
    request.model_spec.name = "Größe 100 %\n"
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request)
    assert caught.value.details() == "Servable not found for request: Latest(Größe 100 %\n)"


@needs_curl
def test_http2_that_is_no_grpc_is_told_so(shared_server: ServerProcess) -> None:
    assert curl(shared_server, "-d", "{}", "-H", "content-type: application/json").startswith("http/2 415")
    assert curl(shared_server, "-d", "{}", "-H", "content-type: application/grpcx").startswith("http/2 415")
    assert curl(shared_server, "-X", "GET", *IS_GRPC).startswith("http/2 405")
    unknown = curl(shared_server, "--data-binary", "abcde", *IS_GRPC, "-H", "grpc-encoding: snappy")
    assert "grpc-status: 12" in unknown
    assert "grpc-accept-encoding: identity, deflate, gzip" in unknown
    assert "grpc-status: 13" in curl(shared_server, "--data-binary", "abcd", *IS_GRPC)
    assert "grpc-status: 13" in curl(shared_server, "--data-binary", "abcde", *IS_GRPC[:2])


def test_the_client_of_a_watched_server_may_leave(shared_server: ServerProcess) -> None:
    with grpc.insecure_channel(shared_server.grpc_target) as channel:
        watches = [channel.unary_stream("/grpc.health.v1.Health/Watch")(b"") for _ in range(20)]
        assert [next(watch) for watch in watches] == [b"\x08\x01"] * 20
        for watch in watches:
            watch.cancel()
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5) == b"\x08\x01"


def test_one_model_under_load_leaves_the_others_their_turn(typed_server: ServerProcess) -> None:
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "typed"
    with grpc.insecure_channel(typed_server.grpc_target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        calls = [stub.Predict.future(slow_request(10**12), timeout=3) for _ in range(50)]
        began = time.monotonic()
        model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(status, timeout=2)
        assert time.monotonic() - began < 1.5
        for call in calls:
            call.cancel()


def test_an_error_text_that_ends_with_a_space_reaches_the_client(shared_server: ServerProcess) -> None:
    nameless = get_model_status_pb2.GetModelStatusRequest()
    nameless.model_spec.SetInParent()
    with grpc.insecure_channel(shared_server.grpc_target) as channel, pytest.raises(grpc.RpcError) as caught:
        model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(nameless, timeout=20)
    assert (caught.value.code().name, caught.value.details()) == (
        "NOT_FOUND",
        "Could not find any versions of model ",
    )
