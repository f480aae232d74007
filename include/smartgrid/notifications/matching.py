"""Which events a rule or a silence means: by severity, kind, zone, place, team and condition."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, field_validator

from smartgrid.notifications.topology import Place
from smartgrid.store.events import SEVERITIES, EventRow, Severity

Patterns = tuple[str, ...]


class Matcher(BaseModel):
    """All given fields have to fit; within a field one of the patterns (`*`, `?`, `[...]`). An empty matcher fits all.

    `zone` fits when one of the event's zones does; `every_zone` demands it of all of them, so that silencing one
    feeder never hides the others of the same event.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: tuple[Severity, ...] = ()
    at_least: Severity | None = Field(None, description="this severity or worse")
    kind: Patterns = ()
    zone: Patterns = ()
    every_zone: bool = False
    substation: Patterns = ()
    region: Patterns = ()
    team: Patterns = ()
    dedupe_key: Patterns = ()

    @field_validator("severity", "kind", "zone", "substation", "region", "team", "dedupe_key", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    def fits(self, event: EventRow, place: Place) -> bool:
        if self.severity and event.severity not in self.severity:
            return False
        if self.at_least and SEVERITIES.index(event.severity) < SEVERITIES.index(self.at_least):
            return False
        return (
            _any(self.kind, [event.kind])
            and (_all if self.every_zone else _any)(self.zone, event.zones)
            and _any(self.substation, place.substations)
            and _any(self.region, place.regions)
            and _any(self.team, [event.team or ""])
            and _any(self.dedupe_key, [event.dedupe_key or ""])
        )

    def describe(self) -> str:
        """The matcher in words.

        >>> Matcher(kind="load_*", at_least="high").describe()
        'at_least high, kind load_*'
        """
        said = self.model_dump(exclude_defaults=True)
        if not said:
            return "everything"
        return ", ".join(f"{name} {' or '.join(v) if isinstance(v, tuple) else v}" for name, v in said.items())


def _any(patterns: Patterns, names: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _all(patterns: Patterns, names: Sequence[str]) -> bool:
    return not patterns or (
        bool(names) and all(any(fnmatchcase(name, pattern) for pattern in patterns) for name in names)
    )
