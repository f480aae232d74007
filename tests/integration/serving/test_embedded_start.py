"""How the server starts, where it listens, and when it refuses to start."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import requests
from serving_process import MODEL, ROOT, ServerProcess, free_port
from serving_stubs import model_service_pb2_grpc

from smartgrid.serving.model_repository import publish
from tf_serving.embedded.protos import get_model_status_pb2

pytestmark = pytest.mark.servers

Start = Callable[..., ServerProcess]


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tf_serving.embedded", f"--port={free_port()}", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def status_code(channel: grpc.Channel) -> str:
    """What GetModelStatus of an unknown model answers."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "nobody"
    with pytest.raises(grpc.RpcError) as caught:
        model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=5)
    name: str = caught.value.code().name
    return name


def test_first_version_that_cannot_be_loaded_ends_the_server(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    ended = run(f"--model_base_path={tmp_path}", "--max_num_load_retries=1", "--load_retry_interval_micros=1000")
    assert ended.returncode != 0
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{{name: default version: 1} due to error: NOT_FOUND: Could not find SavedModel .pb or .pbtxt" in ended.stderr
    )


def test_no_model_and_contradicting_flags_end_the_server(tmp_path: Path) -> None:
    assert run().returncode != 0
    parameters = run(f"--model_base_path={tmp_path}", "--batching_parameters_file=/x")
    assert parameters.returncode != 0
    assert "batching_parameters_file is set without setting server_options.enable_batching" in parameters.stderr
    no_number = run(f"--model_base_path={tmp_path}", "--port=abc")
    assert no_number.returncode == 255
    assert "usage:" in no_number.stdout
    assert "argument --port: invalid int value: 'abc'" in no_number.stdout
    pools = [f"--tensorflow_{name}_parallelism=1" for name in ("session", "intra_op", "inter_op")]
    all_three = run(f"--model_base_path={tmp_path}", *pools)
    assert all_three.returncode == 255
    assert "separately. You cannot configure all." in all_three.stderr
    nowhere = run(f"--model_base_path={tmp_path}", "--port=0", "--rest_api_port=0")
    assert nowhere.returncode != 0
    label = tmp_path / "models.config"
    label.write_text(
        f'model_config_list {{ config {{ name: "m" base_path: "{tmp_path}" model_platform: "tensorflow" '
        'version_labels { key: "stable" value: 1 } } }'
    )
    refused = run(f"--model_config_file={label}")
    assert refused.returncode != 0
    assert "Request to assign label to version 1 of model m, which is not currently available" in refused.stderr


def test_version_is_printed() -> None:
    printed = run("--version")
    assert printed.returncode == 0
    assert "TensorFlow ModelServer: 2." in printed.stdout
    assert "TensorFlow Library: 2." in printed.stdout


def test_newest_below_a_corrupt_one_serves_at_the_start_where_that_is_asked_for(
    start_server: Start, base: Path, saved_models: Path
) -> None:
    publish(saved_models / "v1", base, 1)
    (base / "2").mkdir()
    server = start_server(f"--model_name={MODEL}", f"--model_base_path={base}", "--fall_back_to_older_versions")
    entries = requests.get(f"{server.rest_url}/v1/models/{MODEL}", timeout=20).json()["model_version_status"]
    assert [(entry["version"], entry["state"]) for entry in entries] == [("2", "LOADING"), ("1", "AVAILABLE")]


def test_unix_socket_and_channel_arguments(start_server: Start, base: Path, tmp_path: Path) -> None:
    socket_path = tmp_path / "s"
    start_server(
        f"--model_base_path={base}", f"--grpc_socket_path={socket_path}",
        "--grpc_channel_arguments=grpc.max_concurrent_streams=7,grpc.primary_user_agent=grid",
    )  # fmt: skip
    with grpc.insecure_channel(f"unix:{socket_path}") as channel:
        assert status_code(channel) == "NOT_FOUND"


def test_health_knows_the_server_and_nobody_else(start_server: Start, base: Path) -> None:
    server = start_server(f"--model_base_path={base}", "--enable_grpc_healthcheck_service")
    with grpc.insecure_channel(server.grpc_target) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", timeout=5) == b"\x08\x01"
        with pytest.raises(grpc.RpcError) as caught:
            check(b"\x0a\x01x", timeout=5)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=5)
        assert next(watch) == b"\x08\x01"
        assert server.process is not None
        server.process.terminate()
        assert next(watch) == b"\x08\x02"
        assert server.process.wait(5) == 0
    without = start_server()
    with grpc.insecure_channel(without.grpc_target) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def certificates(folder: Path) -> dict[str, bytes]:
    """PEM texts: `ca`, and key and certificate of `server` (localhost) and `client`, signed by it."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=grid test CA", "-days", "2")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name in ("server", "client"):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.crt", "-days", "2", "-extfile", "names",
        )  # fmt: skip
    files = ("ca.crt", "server.key", "server.crt", "client.key", "client.crt")
    return {name: (folder / name).read_bytes() for name in files}


def ssl_config(folder: Path, pem: dict[str, bytes], more: str = "") -> Path:
    def quoted(name: str) -> str:
        return '"' + pem[name].decode().replace("\n", "\\n") + '"'

    file = folder / "ssl.config"
    file.write_text(
        f"server_key: {quoted('server.key')}\nserver_cert: {quoted('server.crt')}\n"
        f"custom_ca: {quoted('ca.crt')}\n{more}"
    )
    return file


@pytest.mark.parametrize("mutual", [False, True])
def test_tls_and_mutual_tls(start_server: Start, base: Path, tmp_path: Path, mutual: bool) -> None:
    pem = certificates(tmp_path)
    config = ssl_config(tmp_path, pem, "client_verify: true" if mutual else "")
    server = start_server(f"--model_base_path={base}", f"--ssl_config_file={config}")

    def answer(credentials: Any) -> str:
        with grpc.secure_channel(server.grpc_target, credentials) as channel:
            return status_code(channel)

    anonymous = grpc.ssl_channel_credentials(pem["ca.crt"])
    known = grpc.ssl_channel_credentials(pem["ca.crt"], pem["client.key"], pem["client.crt"])
    assert answer(known) == "NOT_FOUND"
    assert answer(anonymous) == ("UNAVAILABLE" if mutual else "NOT_FOUND")
    with grpc.insecure_channel(server.grpc_target) as channel:
        assert status_code(channel) == "UNAVAILABLE"
    assert requests.get(f"{server.rest_url}/v1/models/x", timeout=5).status_code == 404


def test_tls_on_a_unix_socket(start_server: Start, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem, socket_path, scratch = certificates(tmp_path), tmp_path / "s", tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    config = ssl_config(tmp_path, pem)
    for port in ((), ("--port=0",)):
        server = start_server(
            f"--model_base_path={base}", f"--grpc_socket_path={socket_path}", f"--ssl_config_file={config}", *port
        )
        deadline = time.monotonic() + 10
        while "serving gRPC on" not in server.text():
            assert time.monotonic() < deadline, server.text()
            time.sleep(0.05)
        assert not list(scratch.glob("tf-serving-tls*")), "keys must not stay on disk"
        options = [("grpc.ssl_target_name_override", "localhost")]
        known = grpc.ssl_channel_credentials(pem["ca.crt"])
        with grpc.secure_channel(f"unix:{socket_path}", known, options) as channel:
            assert status_code(channel) == "NOT_FOUND"
        with grpc.insecure_channel(f"unix:{socket_path}") as channel:
            assert status_code(channel) == "UNAVAILABLE"
        assert server.stop() == 0
        assert not socket_path.exists()


def test_key_that_is_none_ends_the_server(base: Path, tmp_path: Path) -> None:
    base.mkdir(parents=True)
    pem = certificates(tmp_path)
    ended = run(
        f"--model_base_path={base}", f"--ssl_config_file={ssl_config(tmp_path, {**pem, 'server.key': b'SECRET'})}"
    )
    assert ended.returncode != 0
    assert "Failed to start server. Error: INVALID_ARGUMENT: cannot serve: " in ended.stderr
    assert "SECRET" not in ended.stderr + ended.stdout


def test_unusable_ssl_config_is_named_without_its_content(tmp_path: Path) -> None:
    file = tmp_path / "ssl.config"
    file.write_text('server_key: "SECRET" nonsense')
    ended = run(f"--model_base_path={tmp_path}", f"--ssl_config_file={file}")
    assert ended.returncode != 0
    assert f"Invalid protobuf file: '{file}'" in ended.stderr
    assert "SECRET" not in ended.stderr + ended.stdout


def test_sigterm_while_the_first_version_is_retried_ends_the_server_at_once(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    command = [
        sys.executable, "-m", "tf_serving.embedded", f"--port={free_port()}", f"--model_base_path={tmp_path}",
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "load failed (attempt 1 of 6)" in line:
                break
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 5


def test_the_parallelism_flags_size_tensorflows_pools(start_server: Start, base: Path, saved_models: Path) -> None:
    publish(saved_models / "v1", base, 1)
    threads = {}
    for intra, inter in ((1, 1), (9, 1), (1, 9)):
        server = start_server(
            f"--model_name={MODEL}",
            f"--model_base_path={base}",
            f"--tensorflow_intra_op_parallelism={intra}",
            f"--tensorflow_inter_op_parallelism={inter}",
        )
        assert server.process is not None
        threads[intra, inter] = psutil.Process(server.process.pid).num_threads()
    assert threads[9, 1] >= threads[1, 1] + 6
    assert threads[1, 9] >= threads[1, 1] + 6
