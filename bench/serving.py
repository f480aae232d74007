"""How fast is the embedded model server, beside MLServer and `mlflow models serve` on the same machine?

    python bench/serving.py [--seconds 5] [--no-peers]

A two-layer dense model, one row a request, 1 and 32 clients; then an LSTM with and without batching; then new versions
swapped in under load. The load comes from h2load (Debian: nghttp2-client), which has to be on the PATH; it shares the
cores with the servers. The peers run one after the other in environments of their own, made for this run with uv and
removed after it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).with_name("peers")
TENSORFLOW = "tensorflow-cpu==2.21.0"
MLSERVER = ["mlserver==1.7.1", TENSORFLOW, "setuptools<81"]
MLFLOW = ["mlflow==3.17.0", TENSORFLOW, "setuptools<81"]
SHAPES = {"dense": (1, 32), "lstm": (1, 48, 8)}
START_S = 180
GRPC_HEADERS = ("content-type: application/grpc", "te: trailers")


@dataclass(frozen=True)
class Result:
    """One load run. Times in milliseconds; `at_s` and `took_ms` are those of the single requests."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int
    at_s: np.ndarray
    took_ms: np.ndarray


def load(url: str, body: Path, clients: int, seconds: float, *headers: str) -> Result:
    """Requests without pause from `clients` connections; HTTP/2 when `headers` say that it is gRPC."""
    with tempfile.TemporaryDirectory(prefix="bench-h2load-") as folder:
        log = Path(folder) / "log"
        protocol = [] if headers else ["--h1"]
        command = [
            "h2load",
            *protocol,
            f"-c{clients}",
            "-t1",
            "-D",
            f"{seconds:g}",
            "--warm-up-time=1",
            "-d",
            str(body),
        ]
        for header in headers or ("content-type: application/json",):
            command += ["-H", header]
        done = subprocess.run([*command, f"--log-file={log}", url], check=True, capture_output=True, text=True)
        rows = np.loadtxt(log, dtype=np.int64, ndmin=2)
    at_us, status, took_us = rows[:, 0], rows[:, 1], rows[:, 2]
    found = re.search(r"finished in ([\d.]+)s, ([\d.]+) req/s", done.stdout)
    assert found, done.stdout
    p50, p99 = np.percentile(took_us[status == 200], [50, 99]) / 1000
    # h2load cuts off what is under way when its time is over, and notes it as status -1.
    cut_off = (status == -1) & (at_us + took_us > at_us.max() - 100_000)
    failed = int(((status != 200) & ~cut_off).sum())
    return Result(float(found[2]), p50, p99, failed, at_us / 1e6, took_us / 1000)


def grpc_file(path: Path, message: bytes) -> Path:
    """A gRPC request body: one message with its length before it."""
    path.write_bytes(b"\0" + struct.pack(">I", len(message)) + message)
    return path


def predict_message(model: str) -> bytes:
    """A PredictRequest with one row."""
    from smartgrid.serving.messages import messages

    api = messages()
    request = api.PredictRequest()
    request.model_spec.name = model
    tensor = request.inputs.add(key="features").value
    tensor.dtype = 1
    for size in SHAPES[model]:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = np.full(SHAPES[model], 0.5, np.float32).tobytes()
    return bytes(request.SerializeToString())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(ready_url: str, body: bytes | None, log: Path, command: list[str], **environment: str) -> Iterator[float]:
    """A server, from the first answer with status 200 on; gives the seconds that took."""
    began = time.perf_counter()
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environment}, cwd=ROOT, start_new_session=True
        )
    try:
        while not _answers(ready_url, body):
            if child.poll() is not None or time.perf_counter() - began > START_S:
                raise SystemExit(f"{' '.join(command)}\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)
        yield time.perf_counter() - began
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _answers(url: str, body: bytes | None) -> bool:
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10):
            return True
    except (urllib.error.URLError, OSError):
        return False


class Bench:
    """Where everything lies, and the measurements."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self.json: dict[str, Path] = {}
        self.grpc: dict[str, Path] = {}
        for model, shape in SHAPES.items():
            self.json[model] = folder / f"{model}.json"
            self.json[model].write_text(json.dumps({"instances": np.full(shape, 0.5).tolist()}))
            self.grpc[model] = grpc_file(folder / f"{model}.bin", predict_message(model))
        script = str(PEERS / "serving_models.py")
        subprocess.run([sys.executable, script, str(folder)], check=True, capture_output=True)

    @contextmanager
    def ours(self, model: str, *flags: str) -> Iterator[tuple[str, str]]:
        """The embedded server; gives the URLs of Predict by gRPC and REST."""
        base = self.folder / "base" / model
        shutil.rmtree(base, ignore_errors=True)
        shutil.copytree(self.folder / model, base / "1")
        grpc_port, rest_port = free_port(), free_port()
        rest = f"http://127.0.0.1:{rest_port}/v1/models/{model}"
        command = [
            sys.executable, "-m", "tf_serving.embedded", f"--port={grpc_port}", f"--rest_api_port={rest_port}",
            f"--model_name={model}", f"--model_base_path={base}", *flags,
        ]  # fmt: skip
        with process(rest, None, self.folder / "ours.log", command) as seconds:
            print(f"  embedded, {model} {' '.join(Path(flag).name for flag in flags)}: started in {seconds:.2f} s")
            yield f"http://127.0.0.1:{grpc_port}/tensorflow.serving.PredictionService/Predict", f"{rest}:predict"

    def run(self, name: str, url: str, body: Path, clients: int, *headers: str) -> Result:
        """Best of two runs: other work on the machine can only slow one down."""
        runs = [load(url, body, clients, self.seconds, *headers) for _ in range(2)]
        best = max(runs, key=lambda result: result.rate)
        print(
            f"  {name:<28} c={clients:<3}{best.rate:>9,.0f} req/s   p50 {best.p50_ms:>8.2f} ms   "
            f"p99 {best.p99_ms:>8.2f} ms   failed {sum(result.failed for result in runs)}",
            flush=True,
        )
        return best

    def dense(self) -> dict[str, Result]:
        print("dense model, one row a request")
        found = {}
        with self.ours("dense") as (grpc_url, rest_url):
            for clients in (1, 32):
                found[f"gRPC {clients}"] = self.run(
                    "embedded gRPC", grpc_url, self.grpc["dense"], clients, *GRPC_HEADERS
                )
                found[f"REST {clients}"] = self.run("embedded REST", rest_url, self.json["dense"], clients)
        return found

    def lstm(self) -> None:
        print("LSTM, one row a request")
        parameters = self.folder / "batching.config"
        parameters.write_text("max_batch_size { value: 64 } num_batch_threads { value: 1 }")
        found = {}
        for name, flags in (
            ("unbatched", []),
            ("batched", ["--enable_batching", f"--batching_parameters_file={parameters}"]),
        ):
            with self.ours("lstm", *flags) as (grpc_url, rest_url):
                for clients in (1, 32):
                    found[name, "gRPC", clients] = self.run(
                        f"{name} gRPC", grpc_url, self.grpc["lstm"], clients, *GRPC_HEADERS
                    )
                    found[name, "REST", clients] = self.run(f"{name} REST", rest_url, self.json["lstm"], clients)
        for face in ("gRPC", "REST"):
            ratio = found["batched", face, 32].rate / found["unbatched", face, 32].rate
            print(f"  {face}: batched / unbatched = {ratio:.2f} at 32 clients")

    def swap(self) -> None:
        """Three new versions under load, one every few seconds."""
        print("hot swap under load, dense model, REST, 8 clients")
        with self.ours("dense") as (_, url):
            base = self.folder / "base" / "dense"
            log = self.folder / "swap.json"
            script = (
                "import sys, json; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import serving;"
                "r = serving.load(sys.argv[2], Path(sys.argv[3]), 8, 16);"
                "json.dump([r.failed, r.at_s.tolist(), r.took_ms.tolist()], open(sys.argv[4], 'w'))"
            )
            child = subprocess.Popen(
                [sys.executable, "-c", script, str(Path(__file__).parent), url, str(self.json["dense"]), str(log)]
            )
            time.sleep(7)
            began = time.time()
            for version in (2, 3, 4):
                shutil.copytree(self.folder / "dense", base / f".{version}")
                (base / f".{version}").rename(base / str(version))
                time.sleep(2.5)
            ended = time.time()
            assert child.wait() == 0
            failed, at_s, took_ms = json.loads(log.read_text())
        at, took = np.array(at_s), np.array(took_ms)
        during = (at >= began) & (at <= ended)
        before_p99, during_p99 = np.percentile(took[at < began], 99), np.percentile(took[during], 99)
        print(
            f"  {len(took):,} requests, {failed} failed; p99 before {before_p99:.2f} ms, during {during_p99:.2f} ms, "
            f"ratio {during_p99 / before_p99:.2f}"
        )

    # --- peers

    def environment(self, name: str, packages: list[str]) -> Path:
        """Python of a fresh environment with `packages`."""
        folder = self.folder / name
        if shutil.which("uv"):
            subprocess.run(["uv", "venv", "-q", "-p", sys.executable, str(folder)], check=True)
            subprocess.run(["uv", "pip", "install", "-qq", "-p", str(folder / "bin" / "python"), *packages], check=True)
        else:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", *packages], check=True)
        return folder / "bin" / "python"

    def mlserver(self, python: Path) -> dict[str, Result]:
        settings, http_port, grpc_port = self.folder / "settings", free_port(), free_port()
        script = [str(python), str(PEERS / "serving_mlserver.py"), str(self.folder / "dense"), str(settings)]
        subprocess.run([*script, str(http_port), str(grpc_port)], check=True, capture_output=True)
        tensor = {"name": "features", "shape": [1, 32], "datatype": "FP32", "data": [0.5] * 32}
        body = self.folder / "mlserver.json"
        body.write_text(json.dumps({"inputs": [tensor]}))
        message = grpc_file(self.folder / "mlserver.bin", (settings / "request.bin").read_bytes())
        url = f"http://127.0.0.1:{http_port}/v2/models/dense/infer"
        command = [str(python.with_name("mlserver")), "start", str(settings)]
        with process(url, body.read_bytes(), self.folder / "mlserver.log", command, PYTHONPATH=str(PEERS)) as seconds:
            print(f"  MLServer: started in {seconds:.2f} s")
            grpc_url = f"http://127.0.0.1:{grpc_port}/inference.GRPCInferenceService/ModelInfer"
            found = {}
            for clients in (1, 32):
                found[f"gRPC {clients}"] = self.run("MLServer gRPC", grpc_url, message, clients, *GRPC_HEADERS)
                found[f"REST {clients}"] = self.run("MLServer REST", url, body, clients)
        return found

    def mlflow(self, python: Path) -> dict[str, Result]:
        model, port = self.folder / "mlflow-model", free_port()
        subprocess.run([str(python), str(PEERS / "serving_mlflow.py"), str(model)], check=True, capture_output=True)
        body = self.folder / "mlflow.json"
        body.write_text(json.dumps({"inputs": [[0.5] * 32]}))
        url = f"http://127.0.0.1:{port}/invocations"
        command = [
            str(python.with_name("mlflow")), "models", "serve", "-m", str(model), "-p", str(port),
            "--env-manager", "local",
        ]  # fmt: skip
        path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        with process(url, body.read_bytes(), self.folder / "mlflow.log", command, PATH=path, PYTHONPATH="") as seconds:
            print(f"  mlflow models serve: started in {seconds:.2f} s")
            return {f"REST {clients}": self.run("mlflow REST", url, body, clients) for clients in (1, 32)}


def ratios(ours: dict[str, Result], peer: str, theirs: dict[str, Result]) -> None:
    """Throughput of ours over the peer's at 32 clients, face by face where both have it."""
    for face in ("gRPC", "REST"):
        other = theirs.get(f"{face} 32") or theirs["REST 32"]
        print(f"  embedded {face} / {peer}: {ours[f'{face} 32'].rate / other.rate:.1f} times the requests a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of one load run")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--mlserver-python", type=Path, help="an environment that has MLServer and TensorFlow already")
    parser.add_argument("--mlflow-python", type=Path, help="an environment that has MLflow and TensorFlow already")
    arguments = parser.parse_args()
    if not shutil.which("h2load"):
        raise SystemExit("h2load is not on the PATH; on Debian: apt install nghttp2-client")
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as name:
        bench = Bench(Path(name), arguments.seconds)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n")
        ours = bench.dense()
        if not arguments.no_peers:
            for peer, packages, python, measure in (
                ("MLServer", MLSERVER, arguments.mlserver_python, bench.mlserver),
                ("mlflow", MLFLOW, arguments.mlflow_python, bench.mlflow),
            ):
                ratios(ours, peer, measure(python or bench.environment(peer.lower(), packages)))
        bench.lstm()
        bench.swap()


if __name__ == "__main__":
    main()
