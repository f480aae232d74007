"""Visuals of a report page as PBIR writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from smartgrid.powerbi.project.identifiers import object_name
from smartgrid.powerbi.project.measures import MEASURES

SCHEMAS = "https://developer.microsoft.com/json-schemas/fabric/item/report/definition"
_MEASURES = {measure.name: measure.table for measure in MEASURES}


@dataclass(frozen=True)
class Visual:
    """What is shown where (x, y, width, height in pixels of a page of 1280 x 720).

    `roles` maps a well of the visual to what is in it: a measure's name, or `table.column`.
    """

    kind: str
    title: str
    place: tuple[int, int, int, int]
    roles: dict[str, list[str]] = field(default_factory=dict)

    def as_json(self, page: str, number: int) -> dict[str, Any]:
        """The content of its visual.json."""
        x, y, width, height = self.place
        return {
            "$schema": f"{SCHEMAS}/visualContainer/2.1.0/schema.json",
            "name": object_name(page, self.title),
            "position": {"x": x, "y": y, "z": number * 1000, "height": height, "width": width, "tabOrder": number},
            "visual": {
                "visualType": self.kind,
                "query": {
                    "queryState": {
                        role: {"projections": [_projection(name, first=i == 0) for i, name in enumerate(names)]}
                        for role, names in self.roles.items()
                    }
                },
                "visualContainerObjects": {
                    "title": [{"properties": {"show": _literal("true"), "text": _text(self.title)}}]
                },
                "drillFilterOtherVisuals": True,
            },
        }


def _projection(name: str, *, first: bool) -> dict[str, Any]:
    table = _MEASURES.get(name)
    if table is not None:
        return {"field": _field("Measure", table, name), "queryRef": f"{table}.{name}", "nativeQueryRef": name}
    table, column = name.split(".")
    made = {"field": _field("Column", table, column), "queryRef": name, "nativeQueryRef": column}
    return made | {"active": True} if first else made


def _field(kind: str, table: str, name: str) -> dict[str, Any]:
    return {kind: {"Expression": {"SourceRef": {"Entity": table}}, "Property": name}}


def _literal(value: str) -> dict[str, Any]:
    return {"expr": {"Literal": {"Value": value}}}


def _text(words: str) -> dict[str, Any]:
    return _literal("'" + words.replace("'", "''") + "'")
