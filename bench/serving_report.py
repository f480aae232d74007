"""Ratios and plots of `serving.py`'s figures."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from loadtest import Result

COLORS = {"embedded": "#1f6fb4", "MLServer": "#d1842b", "mlflow": "#8a8a8a"}
MOST = 32  # clients
# Goals: above the bare run; times the throughput of MLServer on the same face, and of `mlflow models serve`.
OVERHEAD_MS = {"gRPC": 0.45, "REST": 0.25}
MLSERVER_TIMES = {"gRPC": 2.5, "REST": 4.0}
MLFLOW_TIMES, WORKERS_TIMES, BATCHING_TIMES, SWAP_TIMES, START_S = 100.0, 1.5, 4.0, 2.0, 4.0


@dataclass
class Figures:
    """Everything that one run measured."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    bare: dict[str, dict[str, float]] = field(default_factory=dict)
    starts_s: list[float] = field(default_factory=list)
    swap: dict[str, Any] = field(default_factory=dict)
    turns: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    overheads_ms: dict[str, list[float]] = field(default_factory=dict)

    def add(self, server: str, face: str, model: str, rows: int, clients: int, best: Result, failed: int) -> None:
        line = {"server": server, "face": face, "model": model, "rows": rows, "clients": clients}
        self.lines.append({**line, **best.as_json(), "failed": failed})

    def add_turn(self, server: str, face: str, result: Result) -> None:
        self.turns.setdefault(f"{server} {face}", []).append(result.as_json())

    def _in_turns(self, server: str, base: str, face: str) -> tuple[float, float, float] | None:
        """Medians over the turns: how many times the rate of `base`, and the p99 of both in ms."""
        own, other = (self.turns.get(f"{name} {face}", []) for name in (server, base))
        if not own or not other:
            return None
        ratio = median(a["rate"] / b["rate"] for a, b in zip(own, other, strict=True))
        return ratio, median(a["p99_ms"] for a in own), median(b["p99_ms"] for b in other)

    def find(self, server: str, face: str, model: str, rows: int, clients: int) -> dict[str, Any] | None:
        wanted = {"server": server, "face": face, "model": model, "rows": rows, "clients": clients}
        return next((line for line in self.lines if wanted.items() <= line.items()), None)

    def save(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
        content = {"machine": machine, "lines": self.lines, "bare": self.bare, "swap": self.swap}
        content |= {"turns": self.turns, "overheads_ms": self.overheads_ms}
        path.write_text(json.dumps({**content, "starts_s": self.starts_s}, indent=1) + "\n")

    def ratios(self) -> Iterator[str]:
        """Each claim as one line of text."""
        for model in ("dense", "platform"):
            for rows in sorted({line["rows"] for line in self.lines}):
                yield from self._against_peers(model, rows)
        for face in ("gRPC", "REST"):
            own = self.find("embedded", face, "dense", 1, MOST)
            ceiling = self.find("constant", face, "dense", 1, MOST)
            if own and ceiling:
                ratio = ceiling["rate"] / own["rate"]
                yield f"load generator / embedded {face}: {ratio:.1f} times the requests a second"
            if found := self._in_turns("workers=2", "workers=1", face):
                yield (
                    f"two workers / one, {face}: {found[0]:.2f} times "
                    f"(goal {WORKERS_TIMES}: {_verdict(found[0] >= WORKERS_TIMES)})"
                )
            if face in self.overheads_ms:
                over_ms, goal_ms = median(self.overheads_ms[face]), OVERHEAD_MS[face]
                yield (
                    f"dense, one client by turns with the bare run, {face}: {over_ms:.2f} ms above it "
                    f"(goal {goal_ms}: {_verdict(over_ms <= goal_ms)})"
                )
            if own:
                goal_ms = 2 * own["p50_ms"] + 5
                yield (
                    f"embedded {face}, {MOST} clients: p99 {own['p99_ms']:.1f} ms "
                    f"(goal twice the p50 and 5 ms, {goal_ms:.1f} ms: {_verdict(own['p99_ms'] <= goal_ms)})"
                )
            if found := self._in_turns("batched", "unbatched", face):
                ratio, on_ms, off_ms = found
                yield (
                    f"LSTM {face}, batched / unbatched: {ratio:.2f} times, p99 {on_ms:.1f} ms against {off_ms:.1f} ms "
                    f"(goal {BATCHING_TIMES:g} times and a lower p99: "
                    f"{_verdict(ratio >= BATCHING_TIMES and on_ms < off_ms)})"
                )
        slowest_s = max(self.starts_s)
        yield (
            f"start to the first answer: {min(self.starts_s):.2f} to {slowest_s:.2f} s "
            f"(goal {START_S:g} s: {_verdict(slowest_s < START_S)})"
        )
        if self.swap:
            ratio = self.swap["p99_during_ms"] / self.swap["p99_before_ms"]
            yield (
                f"hot swap: {self.swap['failed']} of {self.swap['requests']:,} requests failed, p99 {ratio:.2f} times "
                f"that before (goal none, and {SWAP_TIMES:g} times: "
                f"{_verdict(not self.swap['failed'] and ratio <= SWAP_TIMES)})"
            )

    def _against_peers(self, model: str, rows: int) -> Iterator[str]:
        for peer in ("MLServer", "mlflow"):
            for face in ("gRPC", "REST"):
                own = self.find("embedded", face, model, rows, MOST)
                # MLflow has no gRPC face.
                other = self.find(peer, face, model, rows, MOST) or self.find(peer, "REST", model, rows, MOST)
                if own and other:
                    ratio = own["rate"] / other["rate"]
                    goal = MLSERVER_TIMES[face] if peer == "MLServer" else MLFLOW_TIMES
                    against_goal = (
                        f" (goal {goal:g}: {_verdict(ratio >= goal)})" if (model, rows) == ("dense", 1) else ""
                    )
                    yield (
                        f"{model}, {rows} rows, {MOST} clients: embedded {face} / {peer} {other['face']}: "
                        f"{ratio:.1f} times the requests a second{against_goal}"
                    )


def _verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def plots(figures: Figures, folder: Path) -> list[Path]:
    """Throughput and latency against the number of clients; returns the files."""
    import matplotlib as mpl

    mpl.use("agg")
    return [
        _plot(figures, folder / "bench-serving-throughput.png", "rate", "requests a second"),
        _plot(figures, folder / "bench-serving-p99.png", "p99_ms", "p99 latency, ms"),
    ]


def _plot(figures: Figures, path: Path, key: str, label: str) -> Path:
    import matplotlib.pyplot as plt

    cases = [(model, rows) for model in ("dense", "platform") for rows in sorted({x["rows"] for x in figures.lines})]
    figure, axes = plt.subplots(1, len(cases), figsize=(3.6 * len(cases), 3.6), sharey=True, layout="constrained")
    for axis, (model, rows) in zip(axes if len(cases) > 1 else [axes], cases, strict=True):
        for server, color in COLORS.items():
            for face, style in (("gRPC", "-"), ("REST", "--")):
                points = sorted(
                    (line["clients"], line[key])
                    for line in figures.lines
                    if (line["server"], line["face"], line["model"], line["rows"]) == (server, face, model, rows)
                )
                if points:
                    axis.plot(*zip(*points, strict=True), style, color=color, marker="o", label=f"{server} {face}")
        axis.set(title=f"{model} model, {rows} row{'s' if rows > 1 else ''}", xlabel="clients", yscale="log")
        axis.set_xscale("log", base=2)
        axis.set_xticks(sorted({line["clients"] for line in figures.lines}))
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.grid(alpha=0.3)
    first = axes[0] if len(cases) > 1 else axes
    first.set_ylabel(label)
    first.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
