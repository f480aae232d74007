"""The Great Expectations suite `measurements`, derived from the registry of fields.

It judges accepted rows at the door of the lake, independently of the columnar pass that accepted them: a critical
failure means that the pass is wrong, and stops the batch. The JSON files are committed and reviewed; `smartgrid
quality suite --write` makes them again after a change of a field.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from smartgrid.fields import AVAILABLE_AT, FIELDS, LOAD_KW, TIME, ZONE, Field
from smartgrid.lake.files import write_bytes
from smartgrid.lake.measurements import MEASUREMENT_SCHEMA
from smartgrid.settings import PROJECT_ROOT

PROJECT = PROJECT_ROOT / "great_expectations"
NAME = "measurements"
# The store keeps zone names in columns of this length.
ZONE_LENGTH = 128
# Many sources have no temperature; the warning `temperature_missing` knows which do.
OPTIONAL_MOSTLY = 0.9
PANDAS_TYPES = {"float64": "float64", "timestamp[utc]": "datetime64", "string": "category"}
# GX wants identifiers; names make them, so that a regenerated file is the same file.
NAMESPACE = uuid.UUID("8a6e5f52-0c0e-4f0e-9a63-2f2b3f9a4a10")

Expectation = dict[str, Any]


def project_files() -> dict[str, str]:
    """Relative path -> content of every generated file of the GX project."""
    return {
        f"expectations/{NAME}.json": _json(suite()),
        f"validation_definitions/{NAME}.json": _json(_validation_definition()),
        f"checkpoints/{NAME}.json": _json(_checkpoint()),
    }


def write_project(folder: Path = PROJECT) -> list[Path]:
    """Write the generated files; return them."""
    paths = []
    for name, content in project_files().items():
        path = folder / name
        write_bytes(str(path), content.encode())
        paths.append(path)
    return paths


def suite() -> dict[str, Any]:
    """The suite as GX stores it."""
    fields = [FIELDS[name] for name in MEASUREMENT_SCHEMA]
    expectations = [
        _expectation("expect_table_columns_to_match_set", column_set=list(MEASUREMENT_SCHEMA), exact_match=True),
        _expectation("expect_table_row_count_to_be_between", min_value=1),
        _expectation("expect_compound_columns_to_be_unique", column_list=[ZONE.name, TIME.name]),
        _expectation("expect_column_value_lengths_to_be_between", column=ZONE.name, min_value=1, max_value=ZONE_LENGTH),
        *(one for field in fields for one in _of_field(field)),
        _expectation(
            "expect_column_pair_values_a_to_be_greater_than_b",
            severity="warning",
            column_A=AVAILABLE_AT.name,
            column_B=TIME.name,
        ),
        # Zero at most hours says that a unit or a column mapping is wrong; some feeders are like that.
        _expectation(
            "expect_column_values_to_not_be_in_set", severity="info", column=LOAD_KW.name, value_set=[0.0], mostly=0.5
        ),
    ]
    return {"expectations": expectations, "id": _id("suite"), "meta": {}, "name": NAME, "notes": None}


def _of_field(field: Field) -> list[Expectation]:
    found = []
    if field.required:
        found.append(_expectation("expect_column_values_to_not_be_null", column=field.name))
    else:
        found.append(
            _expectation(
                "expect_column_values_to_not_be_null",
                severity="info",
                column=field.name,
                mostly=OPTIONAL_MOSTLY,
            )
        )
    if field.dtype == "float64":
        found.append(
            _expectation("expect_column_values_to_be_of_type", column=field.name, type_=PANDAS_TYPES[field.dtype])
        )
    if field.minimum is not None or field.maximum is not None:
        found.append(
            _expectation(
                "expect_column_values_to_be_between",
                column=field.name,
                min_value=field.minimum,
                max_value=field.maximum,
            )
        )
    return found


def _expectation(kind: str, severity: str = "critical", **kwargs: Any) -> Expectation:
    name = f"{kind}:{kwargs.get('column', '')}"
    return {"id": _id(name), "kwargs": kwargs, "meta": {}, "severity": severity, "type": kind}


def _validation_definition() -> dict[str, Any]:
    return {
        "data": {
            "asset": {"id": _id("asset"), "name": NAME},
            "batch_definition": {"id": _id("batch"), "name": "batch"},
            "datasource": {"id": _id("datasource"), "name": "lake"},
        },
        "id": _id("validation_definition"),
        "name": NAME,
        "suite": {"id": _id("suite"), "name": NAME},
    }


def _checkpoint() -> dict[str, Any]:
    return {
        "actions": [{"name": "data_docs", "site_names": [], "type": "update_data_docs"}],
        "id": _id("checkpoint"),
        "name": NAME,
        # Counts and a few examples: listing every unexpected row is what the quarantine is for.
        "result_format": {"include_unexpected_rows": False, "partial_unexpected_count": 5, "result_format": "SUMMARY"},
        "validation_definitions": [{"id": _id("validation_definition"), "name": NAME}],
    }


def _id(name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, name))


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
