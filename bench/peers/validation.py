"""Peers of the columnar pass: nulls, ranges and uniqueness with row-level results. Run by `validation.py` in their
own environment; prints one JSON object."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl

COLUMNS = ["row_number", "zone", "time", "load_kw", "temperature_c"]
LOAD_MAX_KW, TEMPERATURE_C = 10_000_000.0, (-60.0, 60.0)
REPEAT = 3


def pandera_pandas(path: str) -> Callable[[], int]:
    import pandera.pandas as pa

    frame = pd.read_parquet(path, columns=COLUMNS)
    schema = pa.DataFrameSchema(
        {
            "zone": pa.Column(str, nullable=False),
            "time": pa.Column(nullable=False),
            "load_kw": pa.Column(float, pa.Check.in_range(0, LOAD_MAX_KW), nullable=False),
            "temperature_c": pa.Column(float, pa.Check.in_range(*TEMPERATURE_C), nullable=True),
        },
        unique=["zone", "time"],
    )

    def run() -> int:
        try:
            schema.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as errors:
            return int(errors.failure_cases["index"].nunique())
        return 0

    return run


def pandera_polars(path: str) -> Callable[[], int]:
    import pandera.errors
    import pandera.polars as pa

    frame = pl.read_parquet(path, columns=COLUMNS)
    schema = pa.DataFrameSchema(
        {
            "zone": pa.Column(str, nullable=False),
            "time": pa.Column(pl.Datetime("us", "UTC"), nullable=False),
            "load_kw": pa.Column(float, pa.Check.in_range(0, LOAD_MAX_KW), nullable=False),
            "temperature_c": pa.Column(float, pa.Check.in_range(*TEMPERATURE_C), nullable=True),
        },
        unique=["zone", "time"],
    )

    def run() -> int:
        try:
            schema.validate(frame, lazy=True)
        except pandera.errors.SchemaErrors as errors:
            return int(errors.failure_cases["index"].n_unique())
        return 0

    return run


def great_expectations(path: str) -> Callable[[], int]:
    import great_expectations as gx
    import great_expectations.expectations as gxe

    frame = pd.read_parquet(path, columns=COLUMNS)
    frame["zone"] = frame["zone"].astype("category")
    context = gx.get_context(mode="ephemeral")
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    suite = context.suites.add(gx.ExpectationSuite("s"))
    for column in ("zone", "time", "load_kw"):
        suite.add_expectation(gxe.ExpectColumnValuesToNotBeNull(column=column))
    suite.add_expectation(gxe.ExpectColumnValuesToBeBetween(column="load_kw", min_value=0, max_value=LOAD_MAX_KW))
    low, high = TEMPERATURE_C
    suite.add_expectation(gxe.ExpectColumnValuesToBeBetween(column="temperature_c", min_value=low, max_value=high))
    suite.add_expectation(gxe.ExpectCompoundColumnsToBeUnique(column_list=["zone", "time"]))
    suite.save()
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="v", data=batch, suite=suite))
    row_level = {"result_format": "COMPLETE", "unexpected_index_column_names": ["row_number"]}

    def run() -> int:
        result = definition.run(batch_parameters={"dataframe": frame}, result_format=row_level)
        rows: set[int] = set()
        for one in result.results:
            rows |= {entry["row_number"] for entry in one.result.get("unexpected_index_list") or []}
        return len(rows)

    return run


def measured(make: Callable[[str], Callable[[], int]], path: str) -> dict[str, Any]:
    """Best of three, data in memory, imports not counted."""
    run = make(path)
    wall, cpu, rejected = float("inf"), float("inf"), 0
    for _ in range(REPEAT):
        began, used = time.perf_counter(), time.process_time()
        rejected = run()
        wall, cpu = min(wall, time.perf_counter() - began), min(cpu, time.process_time() - used)
    return {"wall_s": wall, "cpu_s": cpu, "rejected": rejected}


if __name__ == "__main__":
    peers = {
        "pandera on polars, row-level": pandera_polars,
        "pandera on pandas, row-level": pandera_pandas,
        "Great Expectations on pandas, row-level": great_expectations,
    }
    print(json.dumps({name: measured(make, sys.argv[1]) for name, make in peers.items()}))
