"""How fast is the embedded model server, beside MLServer and `mlflow models serve` on the same machine?

    python bench/serving.py [--seconds 3] [--clients 1,8,32] [--rows 1,64] [--no-peers]

A two-layer dense model and the model of this platform by gRPC and REST; then two workers, an LSTM with and without
batching, and new versions swapped in under load. The load comes from h2load (Debian: nghttp2-client), which has to be
on the PATH and shares the cores with the servers; a server that answers constants shows what h2load itself can do. The
peers run one after the other in environments of their own, made for this run with uv and removed after it. Tables and
ratios are printed; plots go to docs/images, every figure to bench/results/serving.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from loadtest import Result, grpc_body, load, need_h2load
from serving_report import MOST, Figures, plots

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).with_name("peers")
TENSORFLOW = "tensorflow-cpu==2.21.0"
MLSERVER = ["mlserver==1.7.1", TENSORFLOW, "setuptools<81"]
MLFLOW = ["mlflow==3.17.0", TENSORFLOW, "setuptools<81"]
START_S = 180
TURNS = 5  # of each of two that are compared


@dataclass
class Model:
    """A SavedModel and requests to it, by their number of rows."""

    name: str
    folder: Path
    shape: tuple[int, ...]
    dtype: str
    json: dict[int, Path] = field(default_factory=dict)
    grpc: dict[int, Path] = field(default_factory=dict)

    def write_requests(self, rows: list[int]) -> None:
        for count in rows:
            values = np.full((count, *self.shape), 0.5, self.dtype)
            self.json[count] = self.folder.with_name(f"{self.name}-{count}.json")
            self.json[count].write_text(json.dumps({"instances": values.tolist()}))
            self.grpc[count] = grpc_body(
                self.folder.with_name(f"{self.name}-{count}.bin"), predict_message(self.name, values)
            )


def predict_message(model: str, values: np.ndarray) -> bytes:
    """A PredictRequest."""
    from smartgrid.serving.messages import messages

    request = messages().PredictRequest()
    request.model_spec.name = model
    tensor = request.inputs.add(key="features").value
    tensor.dtype = {"float32": 1, "float64": 2}[str(values.dtype)]
    for size in values.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = values.tobytes()
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
            time.sleep(0.02)
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

    def __init__(self, folder: Path, seconds: float, clients: list[int], rows: list[int]) -> None:
        self.folder, self.seconds, self.clients, self.rows = folder, seconds, clients, rows
        self.figures = Figures()
        self.base = folder  # of the model that was served last
        _script("serving_models.py", folder)
        columns = int(_script("serving_platform.py", folder / "platform").split()[-1])
        self.dense = Model("dense", folder / "dense", (32,), "float32")
        self.platform = Model("platform", folder / "platform", (columns,), "float64")
        self.lstm = Model("lstm", folder / "lstm", (48, 8), "float32")
        for model in (self.dense, self.platform, self.lstm):
            model.write_requests(rows if model is not self.lstm else [1])

    @contextmanager
    def ours(self, model: Model, *flags: str) -> Iterator[tuple[str, str]]:
        """The embedded server; gives the URLs of Predict by gRPC and REST."""
        base = Path(tempfile.mkdtemp(dir=self.folder)) / model.name
        self.base = base
        shutil.copytree(model.folder, base / "1")
        grpc_port, rest_port = free_port(), free_port()
        rest = f"http://127.0.0.1:{rest_port}/v1/models/{model.name}"
        command = [
            sys.executable, "-m", "tf_serving.embedded", f"--port={grpc_port}", f"--rest_api_port={rest_port}",
            f"--model_name={model.name}", f"--model_base_path={base}", *flags,
        ]  # fmt: skip
        with process(rest, None, self.folder / "ours.log", command) as seconds:
            print(f"  embedded, {model.name} {' '.join(Path(flag).name for flag in flags)}: started in {seconds:.2f} s")
            self.figures.starts_s.append(seconds)
            yield f"http://127.0.0.1:{grpc_port}/tensorflow.serving.PredictionService/Predict", f"{rest}:predict"

    def run(self, server: str, face: str, model: Model, rows: int, clients: int, url: str, body: Path) -> Result:
        """Best of two runs: other work on the machine can only slow one down."""
        runs = [load(url, body, clients, self.seconds, grpc=face == "gRPC") for _ in range(2)]
        best = max(runs, key=lambda result: result.rate)
        failed = sum(result.failed for result in runs)
        self.figures.add(server, face, model.name, rows, clients, best, failed)
        print(
            f"  {server + ' ' + face:<22}{model.name:<9} {rows:>2} rows c={clients:<3}{best.rate:>9,.0f} req/s   "
            f"p50 {best.p50_ms:>8.2f} ms   p99 {best.p99_ms:>8.2f} ms   failed {failed}",
            flush=True,
        )
        return best

    def ceiling(self) -> None:
        """The load generator against a server that answers constants."""
        print("load generator against constant answers")
        port = free_port()
        command = [sys.executable, str(PEERS / "serving_constant.py"), str(port)]
        with process(f"http://127.0.0.1:{port}/", b"{}", self.folder / "constant.log", command):
            for face, path, bodies in (("gRPC", "grpc", self.dense.grpc), ("REST", "rest", self.dense.json)):
                self.run("constant", face, self.dense, 1, 32, f"http://127.0.0.1:{port}/{path}", bodies[1])

    def bare(self) -> None:
        """One run of each model without a server."""
        print("one run of the model without a server, one row")
        for model in (self.dense, self.platform, self.lstm):
            for kind in ("session", "eager"):
                shape = ",".join(map(str, (1, *model.shape)))
                found = json.loads(_script("serving_bare.py", model.folder, kind, shape, model.dtype).splitlines()[-1])
                self.figures.bare[f"{model.name} {kind}"] = found
                print(f"  {model.name:<9} {kind:<8} p50 {found['p50_us']:>7.1f} us   p99 {found['p99_us']:>7.1f} us")

    def embedded(self) -> None:
        print("embedded server")
        for model in (self.dense, self.platform):
            with self.ours(model) as (grpc_url, rest_url):
                for rows in self.rows:
                    for clients in self.clients:
                        self.run("embedded", "gRPC", model, rows, clients, grpc_url, model.grpc[rows])
                        self.run("embedded", "REST", model, rows, clients, rest_url, model.json[rows])

    def workers(self) -> None:
        """One process against two."""
        print("one worker and two, dense model")
        with self.ours(self.dense, "--workers=1") as one, self.ours(self.dense, "--workers=2") as two:
            self.in_turns(self.dense, {"workers=1": one, "workers=2": two})

    def batching(self) -> None:
        print("LSTM, one row a request")
        parameters = self.folder / "batching.config"
        # Half of the clients are one batch: while it runs, the network thread reads the requests of the other half. One
        # thread of TensorFlow, because its threads wait actively: a second makes a run of 16 rows 5 to 10 % faster and
        # takes the core that the network thread needs. Without batching, runs at once use all cores as they are.
        parameters.write_text(
            f"max_batch_size {{ value: {MOST // 2} }} batch_timeout_micros {{ value: 1000 }} "
            "num_batch_threads { value: 1 }"
        )
        on = [
            "--enable_batching", f"--batching_parameters_file={parameters}", "--tensorflow_session_parallelism=1",
        ]  # fmt: skip
        with self.ours(self.lstm) as unbatched, self.ours(self.lstm, *on) as batched:
            for name, urls in (("unbatched", unbatched), ("batched", batched)):
                self.run(name, "gRPC", self.lstm, 1, 1, urls[0], self.lstm.grpc[1])
                self.run(name, "REST", self.lstm, 1, 1, urls[1], self.lstm.json[1])
            self.in_turns(self.lstm, {"unbatched": unbatched, "batched": batched})

    def in_turns(self, model: Model, servers: dict[str, tuple[str, str]]) -> None:
        """Both of two servers by turns, so that a slow moment of the machine meets both; an idle one costs nothing."""
        for face, bodies in (("gRPC", model.grpc), ("REST", model.json)):
            for turn in range(TURNS):
                for name in list(servers) if turn % 2 == 0 else list(servers)[::-1]:
                    url = servers[name][face == "REST"]
                    result = load(url, bodies[1], MOST, self.seconds, grpc=face == "gRPC")
                    self.figures.add_turn(name, face, result)
                    print(
                        f"  {name + ' ' + face:<22}{model.name:<9} turn {turn + 1}   {result.rate:>9,.0f} req/s   "
                        f"p50 {result.p50_ms:>8.2f} ms   p99 {result.p99_ms:>8.2f} ms   failed {result.failed}",
                        flush=True,
                    )

    def overhead(self) -> None:
        """One client and the bare run by turns, for the same reason."""
        print("one client and the bare run by turns, dense model")
        model = self.dense
        with self.ours(model) as (grpc_url, rest_url):
            for _ in range(TURNS):
                shape = ",".join(map(str, (1, *model.shape)))
                found = json.loads(
                    _script("serving_bare.py", model.folder, "session", shape, model.dtype).splitlines()[-1]
                )
                for face, url, body in (("gRPC", grpc_url, model.grpc[1]), ("REST", rest_url, model.json[1])):
                    result = load(url, body, 1, self.seconds, grpc=face == "gRPC")
                    self.figures.overheads_ms.setdefault(face, []).append(result.p50_ms - found["p50_us"] / 1000)

    def swap(self) -> None:
        """Three new versions under load, one every few seconds."""
        print("hot swap under load, dense model, REST, 8 clients")
        with self.ours(self.dense) as (_, url):
            base = self.base
            log = self.folder / "swap.json"
            script = (
                "import sys, json; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import loadtest;"
                "r = loadtest.load(sys.argv[2], Path(sys.argv[3]), 8, 16, grpc=False);"
                "json.dump([r.failed, r.at_s.tolist(), r.took_ms.tolist()], open(sys.argv[4], 'w'))"
            )
            child = subprocess.Popen(
                [sys.executable, "-c", script, str(Path(__file__).parent), url, str(self.dense.json[1]), str(log)]
            )
            time.sleep(7)
            began = time.time()
            for version in (2, 3, 4):
                shutil.copytree(self.dense.folder, base / f".{version}")
                (base / f".{version}").rename(base / str(version))
                time.sleep(2.5)
            ended = time.time()
            assert child.wait() == 0
            failed, at_s, took_ms = json.loads(log.read_text())
        at, took = np.array(at_s), np.array(took_ms)
        during = (at >= began) & (at <= ended)
        before_p99, during_p99 = np.percentile(took[at < began], 99), np.percentile(took[during], 99)
        self.figures.swap = {
            "requests": len(took), "failed": failed, "p99_before_ms": before_p99, "p99_during_ms": during_p99,
        }  # fmt: skip
        print(
            f"  {len(took):,} requests, {failed} failed; p99 before {before_p99:.2f} ms, during {during_p99:.2f} ms, "
            f"ratio {during_p99 / before_p99:.2f}"
        )

    # --- peers

    def environment(self, name: str, packages: list[str]) -> Path:
        """Python of a fresh environment with `packages`."""
        folder = self.folder / name
        uv = shutil.which("uv") or ROOT / ".venv-boot" / "bin" / "uv"
        subprocess.run([uv, "venv", "-q", "-p", sys.executable, str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "-qq", "-p", str(folder / "bin" / "python"), *packages], check=True)
        return folder / "bin" / "python"

    def mlserver(self, python: Path, model: Model) -> None:
        settings, http_port, grpc_port = self.folder / f"settings-{model.name}", free_port(), free_port()
        (columns,), datatype = model.shape, {"float32": "FP32", "float64": "FP64"}[model.dtype]
        _script("serving_mlserver.py", model.folder, settings, http_port, grpc_port, columns, datatype, python=python)
        command = [str(python.with_name("mlserver")), "start", str(settings)]
        url = f"http://127.0.0.1:{http_port}/v2/models/model/infer"
        grpc_url = f"http://127.0.0.1:{grpc_port}/inference.GRPCInferenceService/ModelInfer"
        bodies = {}
        for rows in self.rows:
            tensor = {
                "name": "features",
                "shape": [rows, columns],
                "datatype": datatype,
                "data": [0.5] * rows * columns,
            }
            bodies[rows] = self.folder / f"mlserver-{rows}.json"
            bodies[rows].write_text(json.dumps({"inputs": [tensor]}))
        ready = bodies[self.rows[0]].read_bytes()
        with process(url, ready, self.folder / "mlserver.log", command, PYTHONPATH=str(PEERS)) as seconds:
            print(f"  MLServer, {model.name}: started in {seconds:.2f} s")
            for rows in self.rows:
                message = grpc_body(self.folder / f"mlserver-{rows}.bin", (settings / f"{rows}.bin").read_bytes())
                for clients in self.clients:
                    self.run("MLServer", "gRPC", model, rows, clients, grpc_url, message)
                    self.run("MLServer", "REST", model, rows, clients, url, bodies[rows])

    def mlflow(self, python: Path, model: Model) -> None:
        target, port = self.folder / f"mlflow-{model.name}", free_port()
        _script("serving_mlflow.py", model.folder, target, model.shape[0], model.dtype, python=python)
        url = f"http://127.0.0.1:{port}/invocations"
        command = [
            str(python.with_name("mlflow")), "models", "serve", "-m", str(target), "-p", str(port),
            "--env-manager", "local",
        ]  # fmt: skip
        path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        bodies = {}
        for rows in self.rows:
            bodies[rows] = self.folder / f"mlflow-{rows}.json"
            bodies[rows].write_text(json.dumps({"inputs": np.full((rows, *model.shape), 0.5).tolist()}))
        ready = bodies[self.rows[0]].read_bytes()
        with process(url, ready, self.folder / "mlflow.log", command, PATH=path, PYTHONPATH="") as seconds:
            print(f"  mlflow models serve, {model.name}: started in {seconds:.2f} s")
            for rows in self.rows:
                for clients in self.clients:
                    self.run("mlflow", "REST", model, rows, clients, url, bodies[rows])


def _script(name: str, *arguments: Any, python: Path | str = sys.executable) -> str:
    """What a script of the peers' folder prints."""
    done = subprocess.run(
        [str(python), str(PEERS / name), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="of one load run, of which each line has two")
    parser.add_argument("--clients", default="1,8,32", help="connections at once")
    parser.add_argument("--rows", default="1,64", help="rows a request")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--mlserver-python", type=Path, help="an environment that has MLServer and TensorFlow already")
    parser.add_argument("--mlflow-python", type=Path, help="an environment that has MLflow and TensorFlow already")
    parser.add_argument("--no-plots", action="store_true", help="leave docs/images and bench/results as they are")
    arguments = parser.parse_args()
    need_h2load()
    clients = [int(text) for text in arguments.clients.split(",")]
    rows = [int(text) for text in arguments.rows.split(",")]
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as name:
        bench = Bench(Path(name), arguments.seconds, clients, rows)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n")
        bench.ceiling()
        bench.bare()
        bench.embedded()
        if not arguments.no_peers:
            python = arguments.mlserver_python or bench.environment("mlserver", MLSERVER)
            for model in (bench.dense, bench.platform):
                bench.mlserver(python, model)
            python = arguments.mlflow_python or bench.environment("mlflow", MLFLOW)
            for model in (bench.dense, bench.platform):
                bench.mlflow(python, model)
        bench.overhead()
        bench.workers()
        bench.batching()
        bench.swap()
        print()
        print("\n".join(bench.figures.ratios()))
        if not arguments.no_plots:
            bench.figures.save(Path(__file__).with_name("results") / "serving.json")
            for path in plots(bench.figures, ROOT / "docs" / "images"):
                print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
