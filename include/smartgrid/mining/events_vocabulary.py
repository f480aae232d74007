"""The vocabulary of events: what each word means, its thresholds, and which pairs say nothing new."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from smartgrid.mining.run_errors import BadVocabulary

PACKAGED = Path(__file__).with_name("events_vocabulary.yaml")

LOG = "log:"
# Each row of an outage log is this event, beside those that its columns tell.
OUTAGE = "outage"

Detector = Literal[
    "peak", "low_load", "ramp_up", "ramp_down", "flat_line", "hot", "cold", "warming", "cooling", "holiday",
    "missing_readings", "rejected", "forecast_miss",
]  # fmt: skip
Relation = Literal["by construction", "expected", "new"]

# Which thresholds each detector has to have.
THRESHOLDS: dict[str, frozenset[str]] = {
    "peak": frozenset({"above_usual_share"}),
    "low_load": frozenset({"below_usual_share"}),
    "ramp_up": frozenset({"hours", "beyond_usual_share"}),
    "ramp_down": frozenset({"hours", "beyond_usual_share"}),
    "flat_line": frozenset({"hours"}),
    "hot": frozenset({"quantile", "at_least_c"}),
    "cold": frozenset({"quantile", "at_most_c"}),
    "warming": frozenset({"by_c"}),
    "cooling": frozenset({"by_c"}),
    "holiday": frozenset(),
    "missing_readings": frozenset({"hours"}),
    "rejected": frozenset({"rows"}),
    "forecast_miss": frozenset({"mean_error_share"}),
}


class EventKind(BaseModel):
    """One word. `basis`: the measurements that it is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    meaning: str
    basis: str
    detector: Detector
    thresholds: dict[str, float]

    @model_validator(mode="after")
    def _thresholds_of_the_detector(self) -> EventKind:
        wanted = THRESHOLDS[self.detector]
        if set(self.thresholds) != wanted:
            raise ValueError(f"detector {self.detector} takes the thresholds {', '.join(sorted(wanted)) or 'none'}")
        if "hours" in wanted and not 1 <= self.thresholds["hours"] <= 24:
            raise ValueError("hours has to be from 1 to 24")
        return self


class Pair(BaseModel):
    """Two events, or two lists of them, and why they go together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    events: tuple[tuple[str, ...], tuple[str, ...]]
    why: str

    @field_validator("events", mode="before")
    @classmethod
    def _lists(cls, value: object) -> object:
        if not isinstance(value, (list, tuple)):
            return value
        return tuple((one,) if isinstance(one, str) else one for one in value)

    def joins(self, one: str, other: str) -> bool:
        first, second = self.events
        return (named(one, first) and named(other, second)) or (named(one, second) and named(other, first))


class Vocabulary(BaseModel):
    """All words, and the pairs of them that are true by construction or expected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    events: dict[str, EventKind] = Field(min_length=1)
    by_construction: tuple[Pair, ...] = ()
    expected: tuple[Pair, ...] = ()

    def basis(self, event: str) -> str:
        """What an event is made of. Of an imported one it is the column of the log: `cause=storm` -> `log:cause`."""
        kind = self.events.get(event.partition(":")[0])
        if kind is not None:
            return kind.basis
        # Thresholds of one number imply each other: customers>=50000 and customers>=5000.
        return LOG + re.split("[<>=]", event, maxsplit=1)[0]

    def relation(self, one: str, other: str) -> tuple[Relation, str]:
        """How two events (without a zone) of the same place stand to each other, and why."""
        basis = self.basis(one)
        if basis == self.basis(other):
            return "by construction", f"both are made of the {basis.removeprefix(LOG)} of the same place"
        if OUTAGE in (one, other) and self.basis(one).startswith(LOG) and self.basis(other).startswith(LOG):
            return "by construction", "both are told by one row of the outage log"
        for pair in self.by_construction:
            if pair.joins(one, other):
                return "by construction", pair.why
        for pair in self.expected:
            if pair.joins(one, other):
                return "expected", pair.why
        return "new", ""


def named(event: str, names: tuple[str, ...]) -> bool:
    """Whether `event` is one of `names`; `rejected` names each `rejected:reason`."""
    return event in names or event.partition(":")[0] in names


@lru_cache(maxsize=8)
def load_vocabulary(path: Path | None = None) -> Vocabulary:
    """The vocabulary of a YAML file, of the packaged one without a path.

    Raises:
        BadVocabulary
    """
    import yaml

    source = path or PACKAGED
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
        return Vocabulary.model_validate(content)
    except OSError as error:
        raise BadVocabulary(str(source), error.strerror or str(error)) from None
    except yaml.YAMLError as error:
        raise BadVocabulary(str(source), f"not YAML: {error}") from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
        raise BadVocabulary(str(source), problems) from None


def vocabulary_markdown(vocabulary: Vocabulary | None = None) -> str:
    """The table of the documentation."""
    vocabulary = vocabulary or load_vocabulary()
    rows = ["| event | made of | meaning | thresholds |", "|---|---|---|---|"]
    for name, kind in vocabulary.events.items():
        thresholds = ", ".join(f"{threshold} {value:g}" for threshold, value in kind.thresholds.items()) or "none"
        rows.append(f"| `{name}` | {kind.basis} | {kind.meaning} | {thresholds} |")
    return "\n".join(rows) + "\n"
