"""The e-mail that is made of a delivery."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notification_counterparts import delivery

from smartgrid.channel_settings import Smtp
from smartgrid.notifications.channels.email import email_message
from smartgrid.notifications.errors import DeliveryFailed

CONFIG = Smtp(host="mail.example", sender="Grid alerts <alerts@grid.example>")


def test_it_says_who_what_and_that_no_person_wrote_it() -> None:
    sent = delivery("email", "duty@utility.example", priority="critical")
    message, _, recipient = email_message(sent, CONFIG)
    assert recipient == message["To"] == "duty@utility.example"
    assert (message["Subject"], message["From"]) == ("Overload", "Grid alerts <alerts@grid.example>")
    assert (message["Auto-Submitted"], message["Importance"]) == ("auto-generated", "high")
    assert message["Message-ID"] == f"<{sent.delivery_id}@grid.example>"
    assert message.get_content().strip() == "Line 7 is at 104 %"


def test_without_a_subject_the_first_line_is_it() -> None:
    message, *_ = email_message(delivery("email", "a@b.example", subject=None, message="Line 7\nmore"), CONFIG)
    assert message["Subject"] == "Line 7"


@pytest.mark.parametrize(
    "recipient",
    [
        "", "duty", "duty@", "@utility.example", "duty@utility", "a@b.example, c@d.example", "a@b.example;c@d.example",
        "a@b.example\r\nBcc: c@d.example", "a@b.example\nBcc: c@d.example", "a@b.example\x00", "<a@b.example>, x",
        "A <a@b.example> <c@d.example>", "a b@c.example", "ü@b.example", "a@bü.example",
    ],
)  # fmt: skip
def test_what_is_not_one_address_is_refused_for_good(recipient: str) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        email_message(delivery("email", recipient), CONFIG)
    assert caught.value.kind == "permanent"


@pytest.mark.parametrize("subject", ["Hi\r\nBcc: thief@example.org", "Hi\nX: y", "Hi\rX: y", "Hi\x00"])
def test_a_subject_cannot_add_a_header(subject: str) -> None:
    with pytest.raises(DeliveryFailed, match="line break"):
        email_message(delivery("email", "a@b.example", subject=subject), CONFIG)


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_adds_a_header_or_a_recipient(subject: str, text: str) -> None:
    try:
        message, *_ = email_message(delivery("email", "a@b.example", subject=subject, message=text), CONFIG)
    except DeliveryFailed:
        return  # refused, which adds nothing either
    head = message.as_bytes().partition(b"\r\n\r\n")[0]
    names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))}
    assert names <= {
        b"from", b"to", b"subject", b"date", b"message-id", b"auto-submitted", b"content-type", b"mime-version",
        b"content-transfer-encoding",
    }  # fmt: skip


@pytest.mark.parametrize(
    "config", [Smtp(), Smtp(host="mail.example"), Smtp(sender="a@b.example"), Smtp(host="h", sender="x")]
)
def test_without_server_or_sender_the_settings_are_told(config: Smtp) -> None:
    with pytest.raises(DeliveryFailed, match="SMTP_") as caught:
        email_message(delivery("email", "a@b.example"), config)
    assert caught.value.kind == "configuration"
