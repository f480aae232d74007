"""The gates that a winner has to pass, read from one reviewed YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from smartgrid.errors import SmartGridError

PACKAGED = Path(__file__).with_name("gates.yaml")

Metric = Literal[
    "mape_percent",
    "mase",
    "rmse_kw",
    "missing_rows",
    "negative_rows",
    "constant_zones",
    "jump_ratio",
    "coverage_percent",
]
COMPARISONS = Literal["at_most", "at_least", "better_than", "not_worse_than", "wins_against"]
# What each comparison needs beside metric and slice.
_NEEDS = {
    "at_most": "limit",
    "at_least": "limit",
    "better_than": "reference",
    "not_worse_than": "tolerance_percent",
    "wins_against": "reference",
}


class BadGates(SmartGridError):
    """The file of the gates is missing or wrong; `problems` names each place with its reason."""

    exit_code = 2

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.path, self.problems = path, problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(
            f"{path}: {len(problems)} problem(s) in the gates:\n{lines}\nCorrect the file, or unset "
            "SMARTGRID_GATES_FILE to use the packaged gates."
        )


class Gate(BaseModel):
    """One condition: `metric` of `slice` compared with a limit or a reference; the YAML file explains each word."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    metric: Metric
    slice: str = Field(min_length=1)
    comparison: COMPARISONS
    reference: Literal["daily_naive", "weekly_naive", "champion"] | None = None
    limit: float | None = None
    tolerance_percent: float | None = Field(None, ge=0)
    tolerance: float = Field(0.0, ge=0, description="in the unit of the metric; the wider of both counts")
    min_days: int = Field(1, ge=1)
    severity: Literal["critical", "warning"]
    owner: str = Field(min_length=1, description="a role")
    reason: str = Field(min_length=10)

    @model_validator(mode="after")
    def _complete(self) -> Gate:
        needed = _NEEDS[self.comparison]
        if getattr(self, needed) is None:
            raise ValueError(f"{self.comparison} needs {needed}")
        if self.comparison == "not_worse_than" and self.reference is None:
            raise ValueError("not_worse_than needs reference")
        if self.comparison == "wins_against" and self.reference != "champion":
            raise ValueError("wins_against compares with the champion")
        return self


class Ties(BaseModel):
    """What decides where errors are equal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_size_mb: float = Field(gt=0)
    max_ms_per_row: float = Field(gt=0)
    equal_within_percent: float = Field(ge=0)
    cheaper_by_percent: float = Field(ge=0, lt=100)


class GatePolicy(BaseModel):
    """All gates, the confidence of comparisons and the rules of ties."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    confidence: float = Field(ge=0.5, lt=1)
    ties: Ties
    gates: list[Gate] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> GatePolicy:
        ids = [gate.id for gate in self.gates]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"gates with the same id: {', '.join(twice)}")
        return self


def load_policy(path: Path | None = None) -> GatePolicy:
    """The gates of `path`, by default the packaged ones.

    Raises:
        BadGates: with one line for each problem.
    """
    source = path or PACKAGED
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadGates(source, [f"cannot be read ({error})"]) from None
    except yaml.YAMLError as error:
        raise BadGates(source, [f"not valid YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(content, dict):
        raise BadGates(source, ["is not a mapping with version, confidence, ties and gates"])
    try:
        return GatePolicy.model_validate(content)
    except ValidationError as error:
        raise BadGates(source, [_problem(content, detail["loc"], detail["msg"]) for detail in error.errors()]) from None


def _problem(content: dict[str, object], place: tuple[int | str, ...], message: str) -> str:
    """Name the gate by its id, so that nobody has to count list entries."""
    parts = [str(part) for part in place]
    gates = content.get("gates")
    if len(place) > 1 and place[0] == "gates" and isinstance(place[1], int) and isinstance(gates, list):
        entry = gates[place[1]]
        name = entry.get("id") if isinstance(entry, dict) else None
        parts[1] = str(name or f"number {place[1] + 1}")
    return f"{' '.join(parts) or 'file'}: {message.removeprefix('Value error, ')}"
