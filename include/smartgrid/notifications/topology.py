"""Where a zone is: zone -> substation -> region, from a reviewed YAML file, so that one trouble is told as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smartgrid.notifications.policy_errors import BadPolicy, problems_of


class Substation(BaseModel):
    """Zones of a substation: names, or patterns such as `F17-*`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zones: tuple[str, ...] = Field(min_length=1)


class Region(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    substations: dict[str, Substation] = Field(min_length=1)


class TopologyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    regions: dict[str, Region] = {}


@dataclass(frozen=True)
class Place:
    """The smallest place that holds all zones of an event; `level`: substation, region, grid, or none without zones."""

    level: str
    name: str
    substations: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """How a message names it.

        >>> Place("substation", "S1").title
        'substation S1'
        """
        return {"grid": "several regions", "unplaced": "", "none": ""}.get(self.level, f"{self.level} {self.name}")


class Topology:
    """Finds the place of zones; a zone that the file does not know is `unplaced`."""

    def __init__(self, regions: Mapping[str, Region]) -> None:
        self._exact: dict[str, tuple[str, str]] = {}
        self._patterns: list[tuple[str, tuple[str, str]]] = []
        for region, of_region in regions.items():
            for substation, held in of_region.substations.items():
                for zone in held.zones:
                    if any(sign in zone for sign in "*?["):
                        self._patterns.append((zone, (region, substation)))
                    else:
                        self._exact[zone] = (region, substation)

    def find(self, zone: str) -> tuple[str, str] | None:
        """Region and substation of `zone`; a name wins over a pattern."""
        found = self._exact.get(zone)
        if found is None:
            found = next((where for pattern, where in self._patterns if fnmatchcase(zone, pattern)), None)
        return found

    def place(self, zones: Iterable[str], data: Mapping[str, Any] | None = None) -> Place:
        """The smallest place that holds all `zones`. An event that names its substation or region itself is believed.

        >>> grid = Topology({"north": Region(substations={"S1": Substation(zones=("F1-*",))})})
        >>> grid.place(["F1-001", "F1-002"])
        Place(level='substation', name='S1', substations=('S1',), regions=('north',))
        >>> grid.place(["elsewhere"]).level
        'unplaced'
        """
        data = data or {}
        if data.get("substation"):
            name = str(data["substation"])[:128]
            region = str(data["region"])[:128] if data.get("region") else ""
            return Place("substation", name, (name,), (region,) if region else ())
        zones = tuple(zones)
        found = {self.find(zone) for zone in zones}
        known = {where for where in found if where is not None}
        if not known and data.get("region"):
            name = str(data["region"])[:128]
            return Place("region", name, (), (name,))
        if not zones:
            return Place("none", "")
        if None in found:
            return Place("unplaced", "", *_names(known))
        substations, regions = _names(known)
        if len(substations) == 1:
            return Place("substation", substations[0], substations, regions)
        if len(regions) == 1:
            return Place("region", regions[0], substations, regions)
        return Place("grid", "", substations, regions)


def _names(where: set[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(sorted({substation for _, substation in where})), tuple(sorted({region for region, _ in where}))


def load_topology(path: Path | None) -> Topology:
    """The topology of a YAML file, read again when it changes; without a file no zone has a place.

    Raises:
        BadPolicy
    """
    if path is None:
        return Topology({})
    try:
        stamp = path.stat().st_mtime_ns
    except OSError as error:
        raise BadPolicy(path, [f"cannot be read: {error.strerror}"], "SMARTGRID_ROUTING__TOPOLOGY") from None
    return _read(path, stamp)


@lru_cache(maxsize=4)
def _read(path: Path, _stamp: int) -> Topology:
    setting = "SMARTGRID_ROUTING__TOPOLOGY"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        parsed = TopologyFile.model_validate(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadPolicy(path, [f"not YAML: {error}"], setting) from None
    except ValidationError as error:
        raise BadPolicy(path, problems_of(error), setting) from None
    where: dict[str, tuple[str, str]] = {}
    problems = []
    for region, of_region in parsed.regions.items():
        for substation, held in of_region.substations.items():
            for zone in held.zones:
                if zone in where:
                    problems.append(f"{zone} is in {where[zone][1]} and in {substation}")
                where[zone] = (region, substation)
    if problems:
        raise BadPolicy(path, problems, setting)
    return Topology(parsed.regions)
