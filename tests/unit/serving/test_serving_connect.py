"""Which server and protocol the settings mean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smartgrid.serving import connect
from smartgrid.serving.grpc_client import GrpcServingClient
from smartgrid.serving.rest_client import RestServingClient
from smartgrid.settings import get_settings


@pytest.fixture
def clean_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in ("SMARTGRID_SERVING_REST_URL", "SMARTGRID_SERVING_GRPC_TARGET", "TENSORFLOW_SERVING_URL"):
        monkeypatch.delenv(name, raising=False)
    get_settings.cache_clear()
    yield monkeypatch
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("environment", "kind", "address"),
    [
        ({}, GrpcServingClient, "127.0.0.1:8500"),
        ({"TENSORFLOW_SERVING_URL": "http://far:8501/"}, RestServingClient, "http://far:8501"),
        ({"SMARTGRID_SERVING_GRPC_TARGET": "far:8500"}, GrpcServingClient, "far:8500"),
        (
            {"SMARTGRID_SERVING_REST_URL": "http://far:8501", "SMARTGRID_SERVING_GRPC_TARGET": "far:8500"},
            GrpcServingClient,
            "far:8500",
        ),
    ],
)
def test_settings_choose_the_server(
    clean_settings: pytest.MonkeyPatch, environment: dict[str, str], kind: type, address: str
) -> None:
    for name, value in environment.items():
        clean_settings.setenv(name, value)
    client = connect()
    assert isinstance(client, kind)
    assert client.address == address
    client.close()


def test_given_address_wins_over_the_settings(clean_settings: pytest.MonkeyPatch) -> None:
    clean_settings.setenv("SMARTGRID_SERVING_GRPC_TARGET", "far:8500")
    client = connect(rest_url="http://near:8501")
    assert isinstance(client, RestServingClient)
    assert client.address == "http://near:8501"
