"""All files of the project, and how they are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smartgrid.powerbi.project.identifiers import NAME, object_name, tag
from smartgrid.powerbi.project.pages import HEIGHT, PAGES, WIDTH
from smartgrid.powerbi.project.semantic_model import DATABASE, SERVER, semantic_model_files
from smartgrid.powerbi.project.visuals import SCHEMAS

_FABRIC = "https://developer.microsoft.com/json-schemas/fabric"


def project_files() -> dict[str, str]:
    """The text of each file by its path in the project's folder."""
    files = {
        f"{NAME}.pbip": _json(
            {
                "$schema": f"{_FABRIC}/pbip/pbipProperties/1.0.0/schema.json",
                "version": "1.0",
                "artifacts": [{"report": {"path": f"{NAME}.Report"}}],
                "settings": {"enableAutoRecovery": True},
            }
        ),
        # What fabric-cicd replaces when it publishes to a workspace.
        "parameter.yml": _parameters(),
    }
    for path, text in _semantic_model().items():
        files[f"{NAME}.SemanticModel/{path}"] = text
    for path, text in _report().items():
        files[f"{NAME}.Report/{path}"] = text
    return files


def write_project(folder: Path) -> list[Path]:
    """Write all files under `folder`; files that no longer belong to the project are left for the user to remove."""
    written = []
    for path, text in project_files().items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        waiting = file.with_name(f".{file.name}.new")
        waiting.write_text(text, encoding="utf-8", newline="\n")
        waiting.replace(file)
        written.append(file)
    return written


def _semantic_model() -> dict[str, str]:
    files = {
        ".platform": _platform("SemanticModel"),
        "definition.pbism": _json(
            {
                "$schema": f"{_FABRIC}/item/semanticModel/definitionProperties/1.0.0/schema.json",
                "version": "4.2",
                "settings": {},
            }
        ),
    }
    return files | {f"definition/{path}": text for path, text in semantic_model_files().items()}


def _report() -> dict[str, str]:
    names = [object_name(page.title) for page in PAGES]
    files = {
        ".platform": _platform("Report"),
        "definition.pbir": _json(
            {
                "$schema": f"{_FABRIC}/item/report/definitionProperties/2.0.0/schema.json",
                "version": "4.0",
                "datasetReference": {"byPath": {"path": f"../{NAME}.SemanticModel"}},
            }
        ),
        "definition/version.json": _json(
            {"$schema": f"{SCHEMAS}/versionMetadata/1.0.0/schema.json", "version": "2.0.0"}
        ),
        "definition/report.json": _json({"$schema": f"{SCHEMAS}/report/3.0.0/schema.json", "themeCollection": {}}),
        "definition/pages/pages.json": _json(
            {
                "$schema": f"{SCHEMAS}/pagesMetadata/1.0.0/schema.json",
                "pageOrder": names,
                "activePageName": names[0],
            }
        ),
    }
    for name, page in zip(names, PAGES, strict=True):
        files[f"definition/pages/{name}/page.json"] = _json(
            {
                "$schema": f"{SCHEMAS}/page/2.0.0/schema.json",
                "name": name,
                "displayName": page.title,
                "displayOption": "FitToPage",
                "height": HEIGHT,
                "width": WIDTH,
            }
        )
        for number, visual in enumerate(page.visuals):
            content = visual.as_json(page.title, number)
            files[f"definition/pages/{name}/visuals/{content['name']}/visual.json"] = _json(content)
    return files


def _platform(kind: str) -> str:
    return _json(
        {
            "$schema": f"{_FABRIC}/gitIntegration/platformProperties/2.0.0/schema.json",
            "metadata": {"type": kind, "displayName": NAME},
            "config": {"version": "2.0", "logicalId": tag("item", kind)},
        }
    )


def _parameters() -> str:
    path = f"{NAME}.SemanticModel/definition/expressions.tmdl"
    blocks = ["find_replace:"]
    for value, variable in ((SERVER, "SMARTGRID_REPORTING_SERVER"), (DATABASE, "SMARTGRID_REPORTING_DATABASE")):
        blocks += [
            f"  - find_value: '\"{value}\"'",
            "    replace_value:",
            f"      _ALL_: '\"$ENV:{variable}\"'",
            "    item_type: SemanticModel",
            f"    file_path: {path}",
        ]
    return "\n".join(blocks) + "\n"


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
