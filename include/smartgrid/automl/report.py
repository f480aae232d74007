"""The report of a tournament as Markdown, and the short note of it that fits on an Airflow run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from smartgrid.automl.environment import recorded_environment
from smartgrid.automl.run_folder import Snapshot, folder, load_json, load_snapshot
from smartgrid.lake.files import write_bytes

REPORT_FILE = "report.md"
NOTE_CHARACTERS = 950  # Airflow keeps 1,000 for a run
SCORES = ("mape_percent", "mase", "rmse_kw", "bias_kw")
WORST_ZONES = 10
Row = dict[str, Any]


def write_report(run_id: str, links: dict[str, str] | None = None) -> Path:
    """Write the report of a judged run to its folder; `links` name where its results went.

    Raises:
        UnknownRun
    """
    run = folder(run_id)
    candidates = {path.parent.name: load_json(path) for path in sorted(run.glob("candidates/*/candidate.json"))}
    text = report(
        load_snapshot(run_id), load_json(run / "leaderboard.json"), candidates, recorded_environment(run_id), links
    )
    path = run / REPORT_FILE
    write_bytes(str(path), text.encode())
    return path


def report(
    snapshot: Snapshot,
    leaderboard: Row,
    candidates: dict[str, Row],
    environment: Row,
    links: dict[str, str] | None = None,
) -> str:
    """The whole report.

    Args:
        leaderboard: content of leaderboard.json.
        candidates: content of candidate.json by trainer.
        environment: what the run was made with.
    """
    sections = [
        f"# Tournament {snapshot.run_id}",
        _head(snapshot, leaderboard),
        _section("Leaderboard", _leaderboard(leaderboard)),
        _section("Gates", _gates(leaderboard)),
        _section("Comparisons that chose the winner", _generic(leaderboard.get("comparisons") or [])),
        _section("Slices of the winner", _slices(leaderboard)),
        _section("Temperature regimes", _regimes(leaderboard)),
        _section("Quantiles", _quantiles(leaderboard)),
        _section("Budget", _budget(candidates)),
        _section("Data and environment", _origin(snapshot, environment)),
        _section("Results", _table(("what", "where"), (links or {}).items())),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def note(leaderboard: Row) -> str:
    """Winner, verdict and scores in at most 950 characters of Markdown."""
    gate = "passed" if leaderboard["gate_passed"] else "NOT passed"
    lines = [
        f"**{leaderboard['winner']}** wins run `{leaderboard['run_id']}`; gate {gate}.",
        "",
        "| candidate | MAPE |",
    ]
    lines.append("|---|---|")
    for row in leaderboard["rows"]:
        said = _short(row["failed"], 60) if row.get("failed") else f"{_number(row.get('mape_percent'), 2)} %"
        lines.append(f"| {row['candidate']} | {said} |")
    text = "\n".join(lines)
    left = NOTE_CHARACTERS - len(text) - 2
    return (f"{text}\n\n{_short(str(leaderboard['verdict']), left)}" if left > 20 else text)[:NOTE_CHARACTERS]


def _head(snapshot: Snapshot, leaderboard: Row) -> str:
    gate = "**passed**" if leaderboard["gate_passed"] else "**not passed**"
    days = _Days(snapshot.timezone)
    lines = [f"Winner: **{leaderboard['winner']}**. Gates {gate}: {leaderboard['verdict']}.".replace("..", "."), ""]
    lines += [
        f"- test window, seen by no trainer: {days(snapshot.backtest_start)} to {days(snapshot.end)}",
        f"- days are local, {snapshot.timezone}",
        f"- selection window: {_selection(snapshot, days)}",
        f"- training from {days(snapshot.train_start)}; zones: {len(snapshot.zones)}",
        f"- intervals of {snapshot.interval_minutes} min; temperature: {snapshot.temperature}",
    ]
    if snapshot.temperature == "actual":
        lines.append("- measured temperatures stand in for forecasts: they flatter every model that uses temperature")
    return "\n".join(lines)


class _Days:
    """Local days of the grid: windows start at its midnights."""

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)

    def __call__(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%Y-%m-%d}"


def _selection(snapshot: Snapshot, days: _Days) -> str:
    if not snapshot.has_selection_window:
        return "none, too little history: chosen on the test window"
    return f"{days(snapshot.select_start)} to {days(snapshot.backtest_start)}"


def _leaderboard(leaderboard: Row) -> str:
    rows = [
        (
            _marked(row, leaderboard["winner"]),
            *(_number(row.get(name), 3 if name == "mase" else 2) for name in SCORES),
            _number(row.get("cpu_s"), 0),
            row.get("failed") or row.get("reason") or "",
        )
        for row in leaderboard["rows"]
    ]
    heads = ("candidate", "MAPE %", "MASE", "RMSE kW", "bias kW", "CPU s", "remark")
    return _table(heads, rows) + "\n\nSystem total in the test window; lower is better."


def _marked(row: Row, winner: str) -> str:
    return f"**{row['candidate']}**" if row["candidate"] == winner else str(row["candidate"])


def _gates(leaderboard: Row) -> str:
    found = leaderboard.get("gates", [])
    rows = [
        (
            gate["gate"],
            _state(gate),
            gate["slice"],
            gate["metric"],
            _number(gate["value"], 3),
            f"{gate['comparison'].replace('_', ' ')} {_number(gate['limit'], 3)}",
            gate["owner"],
            gate["note"] or gate["reason"],
        )
        for gate in found
        if gate["passed"] is not None
    ]
    text = _table(("gate", "state", "slice", "metric", "value", "allowed", "owner", "why"), rows)
    idle: dict[tuple[str, str], list[str]] = {}
    for gate in found:
        if gate["passed"] is None:
            idle.setdefault((gate["gate"], gate["note"]), []).append(gate["slice"])
    unused = _table(
        ("not applied", "slices", "why"), [(name, len(slices), why) for (name, why), slices in idle.items()]
    )
    return "\n\n".join(part for part in (text, unused) if part)


def _state(gate: Row) -> str:
    if gate["passed"]:
        return "passed"
    return "warning" if gate["severity"] == "warning" else "FAILED"


def _slices(leaderboard: Row) -> str:
    winner = leaderboard["winner"]
    found = [row for row in leaderboard.get("slices", []) if row.get("candidate", winner) == winner]
    zones = [row for row in found if str(row["slice"]).startswith("zone:")]
    zones = sorted(zones, key=lambda row: -(row.get("mape_percent") or 0.0))[:WORST_ZONES]
    shown = [row for row in found if not str(row["slice"]).startswith("zone:")] + zones
    rows = [
        (row["slice"], row.get("days", ""), *(_number(row.get(name), 3 if name == "mase" else 2) for name in SCORES))
        for row in shown
    ]
    text = _table(("slice", "days", "MAPE %", "MASE", "RMSE kW", "bias kW"), rows)
    return f"{text}\n\nOf the zones, the {len(zones)} with the largest error." if zones else text


def _regimes(leaderboard: Row) -> str:
    found = leaderboard.get("regimes") or []
    rows = found if isinstance(found, list) else [{"temperature": name, **row} for name, row in found.items()]
    return _generic(rows)


def _quantiles(leaderboard: Row) -> str:
    found = leaderboard.get("quantiles") or {}
    return _generic(found if isinstance(found, list) else [found] if found else [])


def _budget(candidates: dict[str, Row]) -> str:
    trained = {name: row for name, row in candidates.items() if "budget_s" in row}  # an ensemble takes no time itself
    heads = ("trainer", "budget s", "search s", "wall s", "CPU s", "peak memory MB", "trials", "ended")
    rows = [
        (
            name,
            _number(row.get("budget_s"), 0),
            _number(row.get("search_s"), 1),
            _number(row.get("wall_s"), 1),
            _number(row.get("cpu_s"), 1),
            _number(row.get("peak_memory_mb"), 0),
            row.get("trials", ""),
            row.get("failed") or row.get("stopped") or "",
        )
        for name, row in trained.items()
    ]
    total = sum(float(row.get("cpu_s") or 0.0) for row in trained.values())
    wall = sum(float(row.get("wall_s") or 0.0) for row in trained.values())
    return (
        f"{_table(heads, rows)}\n\nTogether {wall:.0f} s of wall-clock time and {total:.0f} s of CPU." if rows else ""
    )


def _origin(snapshot: Snapshot, environment: Row) -> str:
    reference = snapshot.measurements
    rows = [
        ("measurements", f"`{reference.uri}`"),
        ("sha256", f"`{reference.sha256}`"),
        ("rows", f"{reference.rows:,}"),
        ("window", str(reference.window)),
        ("seed", snapshot.seed),
        ("Python", environment.get("python", "")),
        ("platform", environment.get("platform", "")),
        ("git revision", environment.get("git_revision") or "none"),
    ]
    return _table(("what", "value"), rows)


def _generic(rows: Sequence[Row]) -> str:
    """A table of rows as they are, plain values only."""
    heads = list(
        dict.fromkeys(name for row in rows for name, value in row.items() if not isinstance(value, dict | list))
    )
    return _table(
        [head.replace("_", " ") for head in heads], [tuple(_any(row.get(head)) for head in heads) for row in rows]
    )


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; empty without rows."""
    lines = ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *lines])


def _cell(value: Any) -> str:
    """Text of a cell: what a library wrote must not break the table."""
    return " ".join(str("" if value is None else value).split()).replace("|", "\\|")


def _any(value: Any) -> str:
    return _number(value, 3) if isinstance(value, float) else _cell(value)


def _number(value: Any, digits: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "-"
    return f"{value:,.{digits}f}"


def _short(text: str, length: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: max(0, length - 1)] + "…"
