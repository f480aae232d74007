"""The Power BI project is what the reporting views say, and valid by Microsoft's schemas."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_descriptions import api_descriptions_folder
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from smartgrid.powerbi.project import project_files, write_project
from smartgrid.settings import PROJECT_ROOT
from smartgrid.store.reporting_views import VIEWS

BASE = "https://developer.microsoft.com/json-schemas/"
FILES = project_files()
JSON_FILES = {path: json.loads(text) for path, text in FILES.items() if text.startswith("{")}
TMDL = {path: text for path, text in FILES.items() if path.endswith(".tmdl")}


def schema_folder() -> Path:
    folder = api_descriptions_folder() / "pbir"
    if not folder.is_dir():
        pytest.skip(f"Microsoft's JSON schemas are not in {folder}")
    return folder


def validator(schema: str, folder: Path) -> Draft7Validator:
    def retrieve(uri: str) -> Resource[Any]:
        content = json.loads((folder / uri.removeprefix(BASE)).read_text(encoding="utf-8"))
        return Resource.from_contents(content, default_specification=DRAFT7)

    registry: Registry[Any] = Registry(retrieve=retrieve)
    # A reference is relative to where its file lies, whatever identifier the file gives itself.
    return Draft7Validator({"$ref": schema}, registry=registry)


def check(content: dict[str, Any], folder: Path) -> None:
    validator(content["$schema"], folder).validate(content)


def test_the_project_in_the_repository_is_generated_from_the_views(tmp_path: Path) -> None:
    committed = PROJECT_ROOT / "deploy" / "powerbi"
    written = {str(file.relative_to(tmp_path)): file.read_text(encoding="utf-8") for file in write_project(tmp_path)}
    there = {
        str(file.relative_to(committed)): file.read_text(encoding="utf-8")
        for file in committed.rglob("*")
        if file.is_file() and file.name != "README.md"
    }
    assert there == written, "write it anew: smartgrid powerbi project deploy/powerbi"


@pytest.mark.parametrize("path", sorted(JSON_FILES))
def test_every_json_file_is_valid_by_its_schema(path: str) -> None:
    check(JSON_FILES[path], schema_folder())


def test_the_schemas_refuse_what_is_wrong() -> None:
    folder = schema_folder()
    (path,) = [path for path in JSON_FILES if path.endswith("visual.json")][:1]
    wrong = json.loads(FILES[path])
    wrong["visual"]["query"]["queryState"] = {"Y": {"projections": [{"field": {"Colum": {}}, "queryRef": 1}]}}
    with pytest.raises(ValidationError):
        check(wrong, folder)


def tables() -> dict[str, tuple[set[str], set[str]]]:
    """Columns and measures by table, read from the TMDL text."""
    found = {}
    for path, text in TMDL.items():
        if path.split("/")[-2] == "tables":
            (name,) = re.findall(r"^table (\S+)$", text, re.MULTILINE)
            columns = set(re.findall(r"^\tcolumn (\S+)$", text, re.MULTILINE))
            found[name] = columns, set(re.findall(r"^\tmeasure '([^']+)' =", text, re.MULTILINE))
    return found


def test_every_view_is_a_table_with_all_its_columns() -> None:
    assert {name: columns for name, (columns, _) in tables().items()} == {
        view.name: {column.name for column in view.columns} for view in VIEWS
    }


def test_what_a_visual_shows_exists_in_the_model() -> None:
    model = tables()
    shown = 0
    for content in JSON_FILES.values():
        for role in content.get("visual", {}).get("query", {}).get("queryState", {}).values():
            for projection in role["projections"]:
                ((kind, said),) = projection["field"].items()
                columns, measures = model[said["Expression"]["SourceRef"]["Entity"]]
                assert said["Property"] in (columns if kind == "Column" else measures)
                shown += 1
    assert shown > 30


def test_what_a_measure_reads_exists_in_the_model() -> None:
    model = tables()
    for text in TMDL.values():
        for dax in re.findall(r"^\tmeasure '[^']+' = (.*)$", text, re.MULTILINE):
            for table, column in re.findall(r"(\w+)\[(\w+)\]", dax):
                assert column in model[table][0]
            for measure in re.findall(r"(?<!\w)\[([^\]]+)\]", dax):
                assert any(measure in measures for _, measures in model.values())


def test_visuals_stay_on_their_page_and_apart() -> None:
    pages: dict[str, list[tuple[int, int, int, int]]] = {}
    for path, content in JSON_FILES.items():
        if path.endswith("visual.json"):
            p = content["position"]
            pages.setdefault(path.split("/visuals/")[0], []).append((p["x"], p["y"], p["width"], p["height"]))
    assert len(pages) == 5
    for places in pages.values():
        for x, y, width, height in places:
            assert x + width <= 1280
            assert y + height <= 720
        for n, (x, y, width, height) in enumerate(places):
            for x2, y2, width2, height2 in places[:n]:
                assert x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y


def test_identifiers_are_unique_and_stay() -> None:
    tags = [tag for text in TMDL.values() for tag in re.findall(r"lineageTag: (\S+)", text)]
    assert len(tags) == len(set(tags)) > 50
    names = [content["name"] for path, content in JSON_FILES.items() if path.endswith("visual.json")]
    assert len(names) == len(set(names))
    assert project_files() == FILES


def test_publishing_replaces_the_parameters_that_the_model_has() -> None:
    replaced = yaml.safe_load(FILES["parameter.yml"])["find_replace"]
    for rule in replaced:
        assert FILES[rule["file_path"]].count(rule["find_value"]) == 1


def test_indentation_is_by_tabs_as_tmdl_wants_it() -> None:
    for path, text in TMDL.items():
        assert not re.search(r"^ ", text, re.MULTILINE), path
        assert text.endswith("\n")
