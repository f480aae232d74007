"""Whether a frame is a landing batch."""

from __future__ import annotations

import polars as pl

from smartgrid.lake.landing import LANDING_SCHEMA


def schema_problems(frame: pl.DataFrame) -> list[str]:
    """What keeps `frame` from being a landing batch; empty if nothing does."""
    problems = []
    for name, dtype in LANDING_SCHEMA.items():
        if name not in frame.columns:
            problems.append(f"column {name} is missing")
        elif frame.schema[name] != dtype:
            problems.append(f"column {name} is {frame.schema[name]}, expected {dtype}")
    problems.extend(f"unknown column {name}" for name in frame.columns if name not in LANDING_SCHEMA)
    return problems
