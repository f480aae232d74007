"""An event as templates see it: plain, bounded values, and its figures with their units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from smartgrid.notifications.templates import number, one_line
from smartgrid.store.events import EventRow

# Suffixes of names that carry a unit; the longest first.
UNITS = {
    "_percent": "%", "_minutes": "min", "_share": "", "_ratio": "", "_rows": "rows", "_kwh": "kWh", "_mwh": "MWh",
    "_kw": "kW", "_mw": "MW", "_kv": "kV", "_c": "°C", "_s": "s", "_h": "h", "_a": "A", "_v": "V",
}  # fmt: skip
# Said elsewhere in the message, or of no use to a reader.
NOT_A_FACT = {"dag_id", "run_id", "task_id", "map_index", "substation", "region", "link", "runbook_url", "fingerprint"}
MOST_FACTS, TEXT_LENGTH = 12, 4000


def view(event: EventRow) -> dict[str, Any]:
    """What a template may use of `event`."""
    return {
        "kind": event.kind,
        "severity": event.severity,
        "subject": one_line(event.subject, 180),
        "text": event.text[:TEXT_LENGTH],
        "zones": [one_line(str(zone), 128) for zone in event.zones],
        "team": event.team or "",
        "run": event.run or "",
        "link": link_of(event),
        "recorded_at": event.recorded_at,
        "data": dict(event.data),
        "facts": facts(event.data),
    }


def link_of(event: EventRow) -> str:
    """Its link, if it is one that a person may follow."""
    link = event.link or ""
    return one_line(link, 1000) if link.startswith(("https://", "http://")) else ""


def facts(data: Mapping[str, Any]) -> list[str]:
    """The figures and words of `data`, each with its name and unit.

    >>> facts({"load_kw": 1234.5, "limit_kw": 1000, "dag_id": "x", "curve": [1, 2]})
    ['Load: 1,234 kW', 'Limit: 1,000 kW']
    """
    found = []
    for name, value in data.items():
        if name in NOT_A_FACT or value is None or isinstance(value, Mapping):
            continue
        if isinstance(value, Sequence) and not isinstance(value, str):
            continue
        suffix = next((s for s in sorted(UNITS, key=len, reverse=True) if name.endswith(s) and name != s), "")
        label = one_line(name.removesuffix(suffix).replace("_", " "), 60)
        found.append(f"{label[:1].upper()}{label[1:]}: {number(value)} {UNITS.get(suffix, '')}".rstrip())
    return found[:MOST_FACTS]
