"""From the outbox through the real channels to the other side, and back into the record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from local_server import LocalServer
from node_tools import NODE_FOLDER, node_modules, node_server
from own_settings import Configure
from pydantic import SecretStr
from serving_process import free_port
from sqlalchemy import select
from typer.testing import CliRunner
from wiremock_server import WireMock

from smartgrid.channel_settings import WELL_KNOWN_NAMES
from smartgrid.clock import wall_clock
from smartgrid.notifications import callbacks, endpoints, outbox, subscriptions
from smartgrid.notifications.commands import notifications_app
from smartgrid.notifications.model import NewNotification, Target
from smartgrid.notifications.signing import new_secret
from smartgrid.notifications.webpush_keys import new_vapid_keys
from smartgrid.notifications.worker import Worker
from smartgrid.settings import Settings
from smartgrid.store import migrate, session
from smartgrid.store.notification_tables import AttemptRow, DeliveryRow, GoneRecipientRow, SubscriptionRow

SECRET = new_secret()
ACCOUNT = "AC" + "0" * 32
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
NUMBER = "+355691234567"
VAPID = new_vapid_keys()


@pytest.fixture
def settings(configure: Configure, monkeypatch: pytest.MonkeyPatch, wiremock: WireMock) -> Settings:
    """A store of its own; every channel leads to loopback."""
    for name in WELL_KNOWN_NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "SMARTGRID_CHANNELS__EGRESS__ALLOW": "127.0.0.0/8,localhost", "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": "t", "TWILIO_PHONE_NUMBER": "+15005550006", "VAPID_EMAIL": "mailto:a@b.example",
        "SMARTGRID_CHANNELS__TWILIO__BASE_URL": wiremock.url,
        "VAPID_PRIVATE_KEY": VAPID.private_key.get_secret_value(),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    configured = configure()
    migrate()
    return configured


@pytest.fixture(scope="module")
def node_receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    node_modules()
    port, log = free_port(), tmp_path_factory.mktemp("node") / "receiver.log"
    with node_server(
        NODE_FOLDER / "webhook-receiver.cjs", log, port=port, PORT=str(port), RECEIVER_SECRET=SECRET
    ) as server:
        yield server


def send(channel: Any, recipient: str, **fields: Any) -> str:
    """The id of the delivery of one new message."""
    (notification_id,) = outbox.send(
        NewNotification("Line 7 is at 104 %", (Target(channel, recipient, **fields),), subject="Overload")
    )
    with session() as transaction:
        query = select(DeliveryRow.delivery_id).where(DeliveryRow.notification_id == notification_id)
        return str(transaction.scalar(query))


def drain(settings: Settings, later_s: float = 0) -> None:
    Worker(settings, clock=lambda: wall_clock() + timedelta(seconds=later_s)).drain(20)


def delivery_of(delivery_id: str) -> DeliveryRow:
    with session() as transaction:
        return transaction.get_one(DeliveryRow, delivery_id)


def test_a_registered_receiver_in_another_language_gets_and_verifies_it(
    settings: Settings, node_receiver: LocalServer
) -> None:
    endpoint, _ = endpoints.create("duty", f"{node_receiver.url}/hook", "me", SecretStr(SECRET))
    delivery_id = send("webhook", endpoint.endpoint_id)
    drain(settings)
    assert delivery_of(delivery_id).state == "delivered"
    entries = httpx.get(f"{node_receiver.url}/received", trust_env=False).json()
    (payload,) = [entry["payload"] for entry in entries if entry["id"] == delivery_id]
    assert payload["data"]["message"] == "Line 7 is at 104 %"


def test_a_receiver_that_is_not_registered_verifies_with_the_secret_that_the_command_shows(
    settings: Settings, tmp_path: Path
) -> None:
    shown = CliRunner().invoke(notifications_app, ["secret"]).stdout.strip()
    port = free_port()
    with node_server(
        NODE_FOLDER / "webhook-receiver.cjs", tmp_path / "own.log", port=port, PORT=str(port), RECEIVER_SECRET=shown
    ) as receiver:
        delivery_id = send("webhook", f"{receiver.url}/hook")
        drain(settings)
        row = delivery_of(delivery_id)
        assert (row.state, row.reason) == ("delivered", None)
        assert [entry["id"] for entry in httpx.get(f"{receiver.url}/received", trust_env=False).json()] == [delivery_id]


def test_an_sms_of_unknown_fate_is_found_at_twilio_and_sent_once(settings: Settings, wiremock: WireMock) -> None:
    wiremock.stub("POST", MESSAGES, fault="EMPTY_RESPONSE")
    delivery_id = send("sms", NUMBER)
    drain(settings)
    assert delivery_of(delivery_id).state == "ambiguous"
    taken = {"sid": "SM1", "status": "sent", "body": "Overload: Line 7 is at 104 %", "to": NUMBER,
             "date_created": format_datetime(datetime.now(UTC))}  # fmt: skip
    wiremock.stub("GET", MESSAGES, json={"messages": [taken], "next_page_uri": None, "page": 0, "page_size": 50})
    drain(settings, later_s=20)
    row = delivery_of(delivery_id)
    assert (row.state, row.provider_id) == ("delivered", "SM1")
    assert [request["method"] for request in wiremock.requests()] == ["POST", "GET"]


def test_a_number_that_twilio_reports_dead_gets_no_more(settings: Settings, wiremock: WireMock) -> None:
    wiremock.stub("POST", MESSAGES, status=201, json={"sid": "SM2", "status": "queued"})
    first = send("sms", NUMBER)
    drain(settings)
    assert callbacks.delivery_status("SM2", "undelivered", "30005")
    row = delivery_of(first)
    assert row.state == "dead"
    assert "does not exist any more" in str(row.reason)
    second = send("sms", NUMBER)
    drain(settings)
    assert delivery_of(second).state == "dead"
    assert len(wiremock.requests()) == 1
    with session() as transaction:
        assert transaction.scalar(select(GoneRecipientRow.channel)) == "sms"


def test_an_ended_subscription_is_disabled(settings: Settings, wiremock: WireMock) -> None:
    wiremock.stub("POST", "/push/1", status=410)
    row = subscriptions.subscribe_browser(f"{wiremock.url}/push/1", VAPID.public_key, "MTIzNDU2Nzg5MDEyMzQ1Ng", "me")
    delivery_id = send("push", row.subscription_id, platform="webpush")
    drain(settings)
    assert delivery_of(delivery_id).state == "dead"
    with session() as transaction:
        assert transaction.get_one(SubscriptionRow, row.subscription_id).disabled_at is not None


def test_an_address_that_leads_inside_is_a_dead_letter_that_says_why(settings: Settings) -> None:
    delivery_id = send("webhook", "http://169.254.169.254/latest/meta-data/")
    drain(settings)
    row = delivery_of(delivery_id)
    assert row.state == "dead"
    assert "never reached" in str(row.reason)
    with session() as transaction:
        assert len(transaction.scalars(select(AttemptRow)).all()) == 1
