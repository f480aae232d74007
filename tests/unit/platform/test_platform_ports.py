from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from smartgrid.platform.errors import PortsTaken
from smartgrid.platform.identity import ID_VARIABLE, platform_id
from smartgrid.platform.ports import check_ports
from smartgrid.settings import Settings

PORT_SETTINGS = ("airflow_port", "airflow_worker_log_port", "mlflow_port", "serving_rest_port", "serving_grpc_port")


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture
def on_free_ports(home_settings: Settings) -> Settings:
    ports = dict(zip(PORT_SETTINGS, free_ports(len(PORT_SETTINGS)), strict=True))
    return home_settings.model_copy(update=ports)


def test_free_ports_pass(on_free_ports: Settings) -> None:
    check_ports(on_free_ports)


def test_a_taken_port_is_named_with_its_setting_and_its_owner(on_free_ports: Settings) -> None:
    with (
        socket.create_server(("127.0.0.1", on_free_ports.mlflow_port)),
        pytest.raises(PortsTaken) as raised,
    ):
        check_ports(on_free_ports)
    assert set(raised.value.taken) == {"SMARTGRID_MLFLOW_PORT"}
    assert f"SMARTGRID_MLFLOW_PORT ({on_free_ports.mlflow_port}) is taken by pid {os.getpid()}" in str(raised.value)


def test_two_settings_with_one_port_are_refused(on_free_ports: Settings) -> None:
    settings = on_free_ports.model_copy(update={"mlflow_port": on_free_ports.airflow_port})
    with pytest.raises(PortsTaken, match=r"SMARTGRID_MLFLOW_PORT .* is taken by SMARTGRID_AIRFLOW_PORT"):
        check_ports(settings)


def test_a_port_held_by_the_running_platform_itself_passes(on_free_ports: Settings) -> None:
    listen = f"s = socket.create_server(('127.0.0.1', {on_free_ports.mlflow_port}))"
    code = f"import socket; {listen}; print(1, flush=True); s.accept()"
    environment = os.environ | {ID_VARIABLE: platform_id(on_free_ports.home)}
    child = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        check_ports(on_free_ports)
    finally:
        child.kill()
        child.communicate()


def test_ports_of_servers_given_by_url_are_not_needed(on_free_ports: Settings) -> None:
    settings = on_free_ports.model_copy(
        update={"mlflow_tracking_uri": "http://mlflow.example:5000", "serving_rest_url": "http://serving.example:8501"}
    )
    with (
        socket.create_server(("127.0.0.1", settings.mlflow_port)),
        socket.create_server(("127.0.0.1", settings.serving_rest_port)),
    ):
        check_ports(settings)
