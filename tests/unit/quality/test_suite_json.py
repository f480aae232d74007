"""The committed Great Expectations project is the one that the registry of fields makes."""

from __future__ import annotations

import json

from smartgrid.fields import LOAD_KW
from smartgrid.quality.checkpoint import _without_load_minimum
from smartgrid.quality.suite import NAMESPACE, PROJECT, project_files, suite, write_project


def test_the_committed_json_equals_the_registry():
    for name, content in project_files().items():
        assert (PROJECT / name).read_text(encoding="utf-8") == content, f"run `smartgrid quality suite --write`: {name}"


def test_the_context_file_names_the_same_ids():
    import uuid

    text = (PROJECT / "great_expectations.yml").read_text(encoding="utf-8")
    for name in ("datasource", "asset", "batch"):
        assert str(uuid.uuid5(NAMESPACE, name)) in text


def test_every_range_of_the_registry_is_checked():
    ranges = {
        one["kwargs"]["column"]: (one["kwargs"]["min_value"], one["kwargs"]["max_value"])
        for one in suite()["expectations"]
        if one["type"] == "expect_column_values_to_be_between"
    }
    assert ranges == {"load_kw": (0.0, LOAD_KW.maximum), "temperature_c": (-60.0, 60.0)}


def test_writing_twice_writes_the_same(tmp_path):
    first = {path: path.read_bytes() for path in write_project(tmp_path)}
    assert {path: path.read_bytes() for path in write_project(tmp_path)} == first


def test_feeding_back_lifts_only_the_bound_of_the_load():
    lifted = json.loads(_without_load_minimum(json.dumps(suite())))
    changed = [
        (before, after)
        for before, after in zip(suite()["expectations"], lifted["expectations"], strict=True)
        if before != after
    ]
    assert len(changed) == 1
    assert changed[0][1]["kwargs"]["min_value"] == -LOAD_KW.maximum
