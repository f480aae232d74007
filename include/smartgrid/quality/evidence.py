"""Short JSON text that lets a person understand a rejection without looking anything up."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from smartgrid.quality.finding import Finding, Integers
from smartgrid.quality.reasons import Reason

NAMES = {"value": "value", "limit": "limit", "previous": "previous", "following": "next", "note": "note"}


def evidence_of(findings: list[Finding], rows: Integers) -> list[str]:
    """One JSON object for each of `rows` (sorted positions in the batch): reason code -> value, limit, neighbours."""
    collected: list[dict[str, dict[str, Any]]] = [{} for _ in range(len(rows))]
    for finding in sorted(findings, key=lambda one: one.reason):
        at = np.searchsorted(rows, finding.rows)
        columns = [
            (name, _values(getattr(finding, attribute), len(at)))
            for attribute, name in NAMES.items()
            if getattr(finding, attribute) is not None
        ]
        for index, target in enumerate(at.tolist()):
            facts = {name: values[index] for name, values in columns if not _unknown(values[index])}
            collected[target][finding.reason.code] = facts
    return [json.dumps(facts, separators=(",", ":")) for facts in collected]


def first_reason(mask: int) -> str:
    """The reason that a row carries: the one of highest precedence."""
    return Reason((mask & -mask).bit_length() - 1).code


def _values(evidence: Any, count: int) -> list[Any]:
    if isinstance(evidence, np.ndarray):
        values: list[Any] = evidence.tolist()
        return values
    return [evidence] * count


def _unknown(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))
