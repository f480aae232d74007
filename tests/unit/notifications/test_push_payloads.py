"""What the push services are handed."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notification_counterparts import delivery

from smartgrid.notifications.channels.push_apns import apns_payload
from smartgrid.notifications.channels.push_fcm import fcm_message
from smartgrid.notifications.channels.push_webpush import subscription, webpush_payload
from smartgrid.notifications.errors import DeliveryFailed

BUILDERS = (apns_payload, fcm_message, webpush_payload)


def fcm(recipient: str = "tok:en", **fields: object) -> dict[str, object]:
    return fcm_message(delivery("push", recipient, **fields))


@pytest.mark.parametrize(
    ("recipient", "field", "identifier"),
    [
        ("dK3:APA91bH_x", "token", "dK3:APA91bH_x"),
        ("token:dK3:APA91bH_x", "token", "dK3:APA91bH_x"),
        ("fid:cH3kQ9", "fid", "cH3kQ9"),
        ("fcm-device-token", "token", "fcm-device-token"),
    ],
)
def test_fcm_takes_tokens_and_installation_ids(recipient: str, field: str, identifier: str) -> None:
    message = fcm(recipient)
    assert message[field] == identifier
    assert len({"token", "fid"} & set(message)) == 1


def test_fcm_data_are_strings() -> None:
    data = fcm(data={"sensor_id": "sensor_001", "load_kw": 12.5, "on": True, "zones": ["A", "ë"], "none": None})["data"]
    assert isinstance(data, dict)
    assert {name: data[name] for name in ("sensor_id", "load_kw", "on", "zones", "none")} == {
        "sensor_id": "sensor_001", "load_kw": "12.5", "on": "true", "zones": '["A", "ë"]', "none": "null",
    }  # fmt: skip


@pytest.mark.parametrize("key", ["from", "message_type", "google.x", "gcm.y"])
def test_fcm_names_that_google_reserves_are_refused(key: str) -> None:
    with pytest.raises(DeliveryFailed, match="reserves"):
        fcm(data={key: "1"})


def test_urgent_messages_wake_the_device() -> None:
    assert fcm(priority="critical")["android"]["priority"] == "HIGH"  # type: ignore[index]
    assert fcm(priority="low")["android"]["priority"] == "NORMAL"  # type: ignore[index]
    assert json.loads(apns_payload(delivery("push", "ab", priority="high")))["aps"]["interruption-level"]


def test_a_message_lives_no_longer_than_its_delivery() -> None:
    ttl = fcm(expires_at=datetime.now(UTC) + timedelta(seconds=90))["android"]["ttl"]  # type: ignore[index]
    assert 80 <= int(ttl.removesuffix("s")) <= 90
    with pytest.raises(DeliveryFailed, match="expired"):
        fcm(expires_at=datetime.now(UTC) - timedelta(seconds=1))


def test_data_go_to_the_app_beside_the_text() -> None:
    sent = delivery("push", "ab", data={"sensor_id": "sensor_001", "limit": Decimal("1.5")})
    apple, browser = json.loads(apns_payload(sent)), json.loads(webpush_payload(sent))
    assert (apple["sensor_id"], apple["limit"], apple["aps"]["alert"]["title"]) == ("sensor_001", "1.5", "Overload")
    assert (browser["data"]["sensor_id"], browser["title"], browser["tag"]) == (
        "sensor_001",
        "Overload",
        sent.delivery_id,
    )


@pytest.mark.parametrize("build", BUILDERS)
def test_a_message_that_is_too_large_is_refused_for_good(build: object) -> None:
    with pytest.raises(DeliveryFailed, match="bytes") as caught:
        build(delivery("push", "ab", message="x" * 5000))  # type: ignore[operator]
    assert caught.value.kind == "permanent"


@given(st.text(max_size=2000), st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))
def test_nothing_over_the_limit_gets_through(message: str, data: dict[str, str]) -> None:
    sent = delivery("push", "ab", message=message, data=data)
    for build, limit in ((apns_payload, 4096), (webpush_payload, 3993)):
        with contextlib.suppress(DeliveryFailed):
            assert len(build(sent)) <= limit


@pytest.mark.parametrize("build", BUILDERS)
def test_text_that_is_no_unicode_is_refused_for_good(build: object) -> None:
    with pytest.raises(DeliveryFailed, match="JSON"):
        build(delivery("push", "ab", message="\ud800"))  # type: ignore[operator]


def test_apple_reserves_a_name() -> None:
    with pytest.raises(DeliveryFailed, match="aps"):
        apns_payload(delivery("push", "ab", data={"aps": {}}))


@pytest.mark.parametrize(
    "text", ["", "fcm-device-token", "{}", '{"endpoint":"https://x","keys":{"auth":"a"}}', "[1]", "null"]
)
def test_a_browser_is_addressed_by_its_subscription(text: str) -> None:
    with pytest.raises(DeliveryFailed, match="subscription"):
        subscription(text)
