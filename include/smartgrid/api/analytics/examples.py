"""Example bodies of the OpenAPI document; a test sends each of them."""

from __future__ import annotations

from typing import Any

_LOADS_KW = [
    {"meter": "A-1", "night": 0.31, "morning": 1.2, "noon": 0.8, "evening": 2.4},
    {"meter": "A-2", "night": 0.28, "morning": 1.1, "noon": 0.7, "evening": 2.6},
    {"meter": "B-1", "night": 4.1, "morning": 4.4, "noon": 4.2, "evening": 4.0},
    {"meter": "B-2", "night": 3.9, "morning": 4.6, "noon": 4.3, "evening": 4.1},
    {"meter": "B-3", "night": 4.0, "morning": 4.5, "noon": 4.4, "evening": 4.2},
    {"meter": "A-3", "night": 0.33, "morning": 1.3, "noon": 0.9, "evening": 2.2},
]
_POINTS = [[1.0, 2.0], [1.1, 2.1], [1.2, 1.9], [1.0, 2.2], [9.0, 9.5], [8.0, 8.0], [8.1, 8.1], [7.9, 8.2]]
_EVENTS = [
    ["storm", "outage", "voltage dip"],
    ["storm", "outage"],
    ["heat", "peak", "overload"],
    ["heat", "peak"],
    ["storm", "outage", "peak"],
    ["heat", "peak", "overload"],
]

Examples = dict[str, dict[str, Any]]

KMEANS: Examples = {
    "objects": {
        "summary": "Four readings of six meters, in kW, as two groups",
        "value": {"data": _LOADS_KW, "k": 2, "scaler": "row-mean"},
    },
    "lists": {"summary": "Rows as lists", "value": {"data": _POINTS, "columns": ["x", "y"], "k": 2}},
    "choose k": {
        "summary": "The number of clusters is chosen, and the curve is in the answer",
        "value": {"data": _POINTS, "max_k": 4, "features": ["column_0", "column_1"]},
    },
}
DBSCAN: Examples = {
    "lists": {"summary": "Two dense groups and an outlier", "value": {"data": _POINTS, "eps": 0.5, "min_samples": 3}},
    "objects": {
        "summary": "Two columns of objects, scaled",
        "value": {
            "data": _LOADS_KW,
            "eps": 0.5,
            "min_samples": 2,
            "scaler": "standard",
            "features": ["night", "evening"],
        },
    },
}
ASSOCIATION: Examples = {
    "events": {
        "summary": "Grid events of six days",
        "value": {"transactions": _EVENTS, "min_support": 0.3, "min_confidence": 0.6},
    },
    "pairs": {
        "summary": "At most pairs, redundant rules too",
        "value": {"transactions": _EVENTS, "min_support": 0.5, "max_length": 2, "all_rules": True},
    },
}
