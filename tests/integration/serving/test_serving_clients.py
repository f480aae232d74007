"""The clients against the real server, and against what is none."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from serving_process import MODEL, ServerProcess, free_port

from smartgrid.serving import connect, predict_with_tf_serving
from smartgrid.serving.client import ServingClient
from smartgrid.serving.errors import (
    DeadlineExceeded,
    ModelNotFound,
    NotAvailableInTime,
    PredictionRejected,
    ServerUnreachable,
    UnexpectedAnswer,
)
from smartgrid.serving.grpc_client import GrpcServingClient
from smartgrid.serving.rest_client import RestServingClient
from smartgrid.settings import get_settings

pytestmark = pytest.mark.servers

Expected = dict[str, np.ndarray]


@pytest.fixture(params=["rest", "grpc"])
def client(request: pytest.FixtureRequest, shared_server: ServerProcess) -> Iterator[ServingClient]:
    if request.param == "rest":
        opened = connect(rest_url=shared_server.rest_url)
    else:
        opened = connect(grpc_target=shared_server.grpc_target)
    yield opened
    opened.close()


def test_prediction_is_the_models_own_to_the_bit(client: ServingClient, expected: Expected) -> None:
    answer = client.predict(MODEL, expected["features"])
    assert answer.dtype == np.float64
    assert answer.tobytes() == expected["load_kw_1"].tobytes()


def test_no_rows_give_no_predictions(client: ServingClient) -> None:
    assert client.predict(MODEL, np.empty((0, 7))).shape == (0,)


def test_large_requests_are_cut_and_joined(shared_server: ServerProcess, expected: Expected) -> None:
    for small in (
        RestServingClient(shared_server.rest_url, values_per_request=7 * 8),
        GrpcServingClient(shared_server.grpc_target, values_per_request=7 * 8),
    ):
        assert np.allclose(small.predict(MODEL, expected["features"]), expected["load_kw_1"], rtol=1e-12)
        small.close()


def test_status_lists_versions(client: ServingClient) -> None:
    (status,) = client.status(MODEL)
    assert (status.version, status.state, status.available) == (1, "AVAILABLE", True)
    assert client.wait_available(MODEL, None, timeout_s=5) == status


def test_unknown_model_and_version_are_not_found(client: ServingClient, expected: Expected) -> None:
    with pytest.raises(ModelNotFound, match=r"Servable not found for request: Latest\(other\)"):
        client.predict("other", expected["features"])
    with pytest.raises(ModelNotFound, match="Specific"):
        client.predict(MODEL, expected["features"], version=99)
    with pytest.raises(ModelNotFound, match="Could not find any versions of model other"):
        client.status("other")


def test_refused_request_carries_the_servers_text(client: ServingClient, expected: Expected) -> None:
    with pytest.raises(PredictionRejected, match="Matrix size-incompatible") as caught:
        client.predict(MODEL, expected["features"][:, :3])
    assert "Matrix size-incompatible" in caught.value.server_text
    with pytest.raises(PredictionRejected, match="not found"):
        client.predict(MODEL, expected["features"], signature_name="other")
    with pytest.raises(PredictionRejected, match="not both"):
        client.predict(MODEL, expected["features"], version=1, label="stable")


def test_waiting_for_a_version_that_never_comes_ends_in_time(client: ServingClient) -> None:
    started = time.monotonic()
    with pytest.raises(NotAvailableInTime, match="last seen: version 1 AVAILABLE"):
        client.wait_available(MODEL, 2, timeout_s=0.5)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_absent_server_is_unreachable_within_the_deadline(protocol: str) -> None:
    port = free_port()
    address = {"rest_url": f"http://127.0.0.1:{port}"} if protocol == "rest" else {"grpc_target": f"127.0.0.1:{port}"}
    client = connect(**address, timeout_s=1.0)
    started = time.monotonic()
    with pytest.raises(ServerUnreachable) as caught:
        client.status(MODEL)
    assert time.monotonic() - started < 5
    assert str(port) in str(caught.value)
    client.close()


class Stranger(http.server.BaseHTTPRequestHandler):
    """A web server that is no model server; /v1/models/slow never answers in time."""

    def do_GET(self) -> None:
        if "slow" in self.path:
            time.sleep(1.5)
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # the client of the slow answer has gone
            self.wfile.write(b"<html>hello</html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger_url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_answer_of_another_web_server_is_unexpected(stranger_url: str) -> None:
    with pytest.raises(UnexpectedAnswer, match="HTTP 200 without JSON"):
        connect(rest_url=stranger_url).status(MODEL)


def test_slow_answer_exceeds_the_deadline(stranger_url: str) -> None:
    with pytest.raises(DeadlineExceeded, match=r"within 0\.3 s"):
        connect(rest_url=stranger_url, timeout_s=0.3).status("slow")


def test_address_that_is_none_is_named() -> None:
    with pytest.raises(UnexpectedAnswer, match="not an address"):
        connect(rest_url="htp://x").status(MODEL)


def test_one_call_for_scripts_returns_the_servers_json(
    shared_server: ServerProcess, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMARTGRID_SERVING_REST_URL", shared_server.rest_url)
    get_settings.cache_clear()
    try:
        as_array = predict_with_tf_serving(instances=expected["features"][:2], model_name=MODEL)
        as_lists = predict_with_tf_serving(instances=[list(row) for row in expected["features"][:2]])
        assert as_array == as_lists
        # The last bit of a row may depend on how many rows are multiplied at once.
        assert np.allclose(as_array.pop("predictions"), expected["load_kw_1"][:2], rtol=1e-12)
        assert as_array == {}
        named = [{"level_kw": np.float64(2.0), "slot": np.int64(3)}]
        answer = predict_with_tf_serving(instances=named, signature_name="two")
        assert answer == {"predictions": [{"load_kw": 6.0, "next_slot": 4}]}
    finally:
        get_settings.cache_clear()
