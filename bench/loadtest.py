"""Load from h2load (Debian: nghttp2-client), a compiled HTTP/1.1 and HTTP/2 client, and what it found."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

GRPC_HEADERS = ("content-type: application/grpc", "te: trailers")
_SLOWEST_S = 15.0
JSON_HEADERS = ("content-type: application/json",)


@dataclass(frozen=True)
class Result:
    """One load run. `at_s` (seconds of the clock) and `took_ms` are those of the single requests that were answered."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int
    at_s: npt.NDArray[np.float64]
    took_ms: npt.NDArray[np.float64]

    def as_json(self) -> dict[str, Any]:
        return {"rate": self.rate, "p50_ms": self.p50_ms, "p99_ms": self.p99_ms, "failed": self.failed}


def need_h2load() -> None:
    if not shutil.which("h2load"):
        raise SystemExit("h2load is not on the PATH; on Debian: apt install nghttp2-client")


def load(url: str, body: Path, clients: int, seconds: float, *, grpc: bool) -> Result:
    """Requests without pause from `clients` connections after one second of warming up."""
    with tempfile.TemporaryDirectory(prefix="bench-h2load-") as folder:
        log = Path(folder) / "log"
        command = ["h2load", *([] if grpc else ["--h1"]), f"-c{clients}", "-t1", "-D", f"{seconds:g}"]
        command += ["--warm-up-time=1", "-d", str(body), f"--log-file={log}"]
        for header in GRPC_HEADERS if grpc else JSON_HEADERS:
            command += ["-H", header]
        done = subprocess.run([*command, url], check=True, capture_output=True, text=True)
        rows = np.loadtxt(log, dtype=np.int64, ndmin=2) if log.stat().st_size else np.empty((0, 3), np.int64)
    found = re.search(r"finished in ([\d.]+)s, ([\d.]+) req/s", done.stdout)
    assert found, done.stdout
    if not len(rows) and seconds < _SLOWEST_S:
        return load(url, body, clients, _SLOWEST_S, grpc=grpc)  # a server may need longer than that for one answer
    if not len(rows):
        raise SystemExit(f"h2load got no answer from {url}:\n{done.stdout}")
    at_us, status, took_us = rows[:, 0], rows[:, 1], rows[:, 2]
    answered = status == 200
    # h2load cuts off what is under way when its time is over, and notes it as status -1.
    cut_off = (status == -1) & (at_us + took_us > at_us.max() - 100_000)
    p50, p99 = np.percentile(took_us[answered], [50, 99]) / 1000
    # It may note no status (0) for one that was under way when the warming up ended.
    cut_in = (status == 0) & (at_us < at_us.min() + 100_000)
    failed = int((~answered & ~cut_off & ~cut_in).sum())
    return Result(float(found[2]), float(p50), float(p99), failed, at_us[answered] / 1e6, took_us[answered] / 1000)


def grpc_body(path: Path, message: bytes) -> Path:
    """A gRPC request body: one message with its length before it."""
    path.write_bytes(b"\0" + struct.pack(">I", len(message)) + message)
    return path
