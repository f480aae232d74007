"""The other sides of the notification channels, and deliveries to send to them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from loopback_certificate import LoopbackCertificate, make_certificate
from wiremock_server import WireMock

from smartgrid.channel_settings import Channels
from smartgrid.notifications.channel import Delivery

LOOPBACK = {"allow": ("127.0.0.0/8",)}


def delivery(channel: str = "webhook", recipient: str = "", **fields: Any) -> Delivery:
    """A delivery of a small alert, with an id of its own."""
    given: dict[str, Any] = {
        "delivery_id": str(uuid.uuid4()),
        "notification_id": str(uuid.uuid4()),
        "channel": channel,
        "recipient": recipient,
        "message": "Line 7 is at 104 %",
        "subject": "Overload",
        "created_at": datetime.now(UTC),
        **fields,
    }
    return Delivery(**given)


def channels(**groups: dict[str, Any]) -> Channels:
    """Settings of the channels that may reach loopback: `channels(twilio={...})`."""
    return Channels.model_validate({"egress": LOOPBACK, **groups})


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> LoopbackCertificate:
    """A server certificate for 127.0.0.1, localhost and hook.example, and the authority that signed it."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "hook.example")


@pytest.fixture(scope="session")
def _wiremock(tmp_path_factory: pytest.TempPathFactory, certificate: LoopbackCertificate) -> Iterator[WireMock]:
    folder: Path = tmp_path_factory.mktemp("wiremock")
    with WireMock(folder, certificate) as server:
        yield server


@pytest.fixture
def wiremock(_wiremock: WireMock) -> WireMock:
    """One WireMock for all tests, empty at the start of each."""
    _wiremock.reset()
    return _wiremock
