"""What a search reports while it runs: plain lines, and one structured line a trial.

A `TrialReport` is a line of text that also carries its numbers, so that everything that takes lines (a log, the
terminal) takes trials, and a page can draw a curve.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Progress = Callable[[str], None]


class TrialReport(str):
    """`trial` counts from 1; `score` is the mean absolute error of load divided by level, None for a failed trial;
    `left_s` are the seconds left of the search."""

    __slots__ = ("left_s", "score", "trial")

    trial: int
    score: float | None
    left_s: float

    def __new__(cls, text: str, trial: int, score: float | None, left_s: float) -> TrialReport:
        report = super().__new__(cls, text)
        report.trial, report.score, report.left_s = trial, score, left_s
        return report

    def __reduce__(self) -> tuple[Any, ...]:
        return TrialReport, (str(self), self.trial, self.score, self.left_s)


def report_trial(
    progress: Progress, trial: int, score: float | None, left_s: float, text: str = "", unit: str = "of level"
) -> None:
    """Report one finished trial.

    >>> report_trial(print, 3, 0.03512, 41.8, "two layers")
    trial 3: error 0.0351 of level, 42 s left, two layers
    """
    said = "failed" if score is None else f"error {score:.4f} {unit}".rstrip()
    line = f"trial {trial}: {said}, {max(0.0, left_s):.0f} s left" + (f", {text}" if text else "")
    progress(TrialReport(line, trial, score, max(0.0, left_s)))


def as_record(line: str) -> dict[str, Any]:
    """A reported line as JSON: {"at", "trial", "score", "left_s", "text"}; a plain line has no numbers."""
    record: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "trial": None,
        "score": None,
        "left_s": None,
    }
    if isinstance(line, TrialReport):
        score = None if line.score is None or line.score != line.score else round(line.score, 6)
        record |= {"trial": line.trial, "score": score, "left_s": round(line.left_s, 1)}
    return {**record, "text": str(line)}


def from_record(record: dict[str, Any]) -> str:
    """The line of a record."""
    if record["trial"] is None:
        return str(record["text"])
    return TrialReport(record["text"], record["trial"], record["score"], record["left_s"])


class ProgressFile:
    """Passes lines on and appends each to a file of JSON lines. `trials` is the highest trial number seen."""

    def __init__(self, path: Path, forward: Progress) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
        self.path, self.forward, self.trials = path, forward, 0

    def __call__(self, line: str) -> None:
        if isinstance(line, TrialReport):
            self.trials = max(self.trials, line.trial)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(as_record(line)) + "\n")
        self.forward(line)
