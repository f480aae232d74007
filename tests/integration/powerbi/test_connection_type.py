"""The connection type in Airflow: found through the entry point, a form with its fields, a Test button that works."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from airflow_sandbox import ROOT
from entra_standin import CLIENT, SECRET, TENANT
from powerbi_fake import WORKSPACE
from powerbi_world import World

# A process of its own: Airflow looks for providers once.
DISCOVER = """
import json
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
hook = manager.hooks["smartgrid_powerbi"]
print(json.dumps({
    "name": hook.hook_name, "class": hook.hook_class_name, "links": manager.extra_links_class_names,
    "fields": sorted(name for name in manager.connection_form_widgets if "smartgrid_powerbi" in name),
    "secret": [name for name, one in manager.connection_form_widgets.items() if "certificate_password" in name],
    "behaviour": manager.field_behaviours["smartgrid_powerbi"]["relabeling"],
}))
"""
PRESS = """
import json, os
from airflow.models import Connection
answers = []
for fields in json.loads(os.environ["SG_CONNECTIONS"]):
    connection = Connection(conn_id="asked", **fields)
    os.environ["AIRFLOW_CONN_ASKED"] = connection.get_uri()
    answers.append(connection.test_connection())
print(json.dumps(answers))
"""


@pytest.fixture
def path_with_entry_point(tmp_path: Path) -> str:
    """The entry point of pyproject.toml, also where the installed package is older than that file."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["apache_airflow_provider"]
    installed = importlib.metadata.entry_points(group="apache_airflow_provider")
    if any(one.value in wanted.values() for one in installed):
        return ""
    folder = tmp_path / "entry" / "smartgrid-0.0.1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: smartgrid\nVersion: 0.0.1\n")
    lines = [f"{name} = {value}" for name, value in wanted.items()]
    (folder / "entry_points.txt").write_text("\n".join(["[apache_airflow_provider]", *lines, ""]))
    return str(folder.parent)


def in_airflow(code: str, path: str, **environment: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100,
        env=os.environ | {"PYTHONPATH": path, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_airflow_finds_the_connection_type_and_its_form(path_with_entry_point: str) -> None:
    found = in_airflow(DISCOVER, path_with_entry_point)
    assert found["name"] == "Power BI (Smart Grid)"
    assert found["class"] == "smartgrid.orchestration.powerbi_hook.PowerBIHook"
    assert "smartgrid.orchestration.powerbi_link.PowerBIDatasetLink" in found["links"]
    names = {name.rpartition("__")[2] for name in found["fields"]}
    assert names >= {"tenant_id", "workspace_id", "datasets", "cloud", "authority", "api_base", "certificate_path"}
    assert found["behaviour"] == {"login": "Client ID", "password": "Client secret"}


def test_test_button_signs_in_and_says_what_is_wrong(path_with_entry_point: str, world: World) -> None:
    extra = {
        "tenant_id": TENANT, "workspace_id": WORKSPACE, "authority": world.entra.authority,
        "api_base": world.service.url, "ca_file": str(world.entra.ca_file), "cloud": "",
    }  # fmt: skip
    for name in ("client_id", "client_secret", "tenant_id", "workspace_id", "authority", "api_base", "ca_file"):
        world.set(**{name: None})

    def a_connection(password: str, **changes: str) -> dict[str, str]:
        fields = json.dumps(extra | changes)
        return {"conn_type": "smartgrid_powerbi", "login": CLIENT, "password": password, "extra": fields}

    connections = [
        a_connection(SECRET),
        a_connection("wrong-secret"),
        a_connection(SECRET, workspace_id=""),
        a_connection(SECRET, cloud="moon"),
    ]
    good, wrong, missing, unknown = in_airflow(PRESS, path_with_entry_point, SG_CONNECTIONS=json.dumps(connections))
    assert good == [True, "Signed in; workspace Grid (dedicated capacity) with 2 datasets."]
    for answer, told in ((wrong, "AADSTS7000215"), (missing, "POWERBI_WORKSPACE_ID"), (unknown, "cloud")):
        assert not answer[0]
        assert told in answer[1]
    assert "wrong-secret" not in wrong[1]
