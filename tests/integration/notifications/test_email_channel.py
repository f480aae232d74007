"""E-mail against a real SMTP server, with TLS, authentication and refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from loopback_certificate import LoopbackCertificate
from notification_counterparts import channels, delivery
from raw_receiver import RawReceiver, reset
from serving_process import free_port

from smartgrid.notifications.channels.email import EmailChannel
from smartgrid.notifications.errors import DeliveryFailed

Start = Callable[..., "Mailbox"]


class Mailbox:
    """What the server took, and what it answers."""

    def __init__(self) -> None:
        self.port = free_port()
        self.envelopes: list[Envelope] = []
        self.answers = {"MAIL": "250 OK", "RCPT": "250 OK", "DATA": "250 OK"}

    async def handle_MAIL(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.answers["MAIL"]

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.answers["RCPT"].startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answers["RCPT"]

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.envelopes.append(envelope)
        return self.answers["DATA"]

    def message(self) -> Message:
        (envelope,) = self.envelopes
        assert isinstance(envelope.content, bytes)
        return message_from_bytes(envelope.content, policy=default)


@pytest.fixture
def start(certificate: LoopbackCertificate) -> Iterator[Start]:
    running: list[Controller] = []

    def _start(**options: Any) -> Mailbox:
        mailbox = Mailbox()
        controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, **options)
        controller.start()
        running.append(controller)
        return mailbox

    yield _start
    for controller in running:
        controller.stop()


def check_password(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    right = (data.login, data.password) == (b"grid", b"p4ss-s3cret")
    return AuthResult(success=right, handled=False)


def channel(port: int, certificate: LoopbackCertificate | None = None, **fields: Any) -> EmailChannel:
    config = {"host": "localhost", "port": port, "sender": "Grid alerts <alerts@grid.example>", "security": "none",
              "timeout_s": 5, **fields}  # fmt: skip
    return EmailChannel(channels(smtp=config, egress={"ca_file": certificate.ca if certificate else None}))


def failure_of(sender: EmailChannel) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        sender.send(delivery("email", "duty@utility.example"))
    return caught.value


def test_the_mail_arrives_as_it_was_written(start: Start) -> None:
    mailbox = start()
    sent = delivery("email", "duty@utility.example", subject="Überlast ⚡", message="Linja 7 në 104 %\n.\nFrom here on")
    receipt = channel(mailbox.port).send(sent)
    message = mailbox.message()
    assert mailbox.envelopes[0].rcpt_tos == ["duty@utility.example"]
    assert (message["Subject"], message["From"]) == ("Überlast ⚡", "Grid alerts <alerts@grid.example>")
    assert message.get_content().replace("\r\n", "\n").rstrip() == "Linja 7 në 104 %\n.\nFrom here on"  # type: ignore[attr-defined]
    assert message["Message-ID"] == f"<{receipt.provider_id}>" == f"<{sent.delivery_id}@grid.example>"


def test_the_password_goes_over_starttls(start: Start, certificate: LoopbackCertificate) -> None:
    mailbox = start(
        tls_context=certificate.server_context(),
        authenticator=check_password,
        auth_required=True,
        auth_require_tls=True,
    )
    sender = channel(mailbox.port, certificate, security="starttls", username="grid", password="p4ss-s3cret")
    assert sender.send(delivery("email", "duty@utility.example")).status == "accepted"
    assert len(mailbox.envelopes) == 1


def test_tls_from_the_first_byte(certificate: LoopbackCertificate, start: Start) -> None:
    mailbox = start(ssl_context=certificate.server_context())
    channel(mailbox.port, certificate, security="tls").send(delivery("email", "duty@utility.example"))
    assert mailbox.message()["To"] == "duty@utility.example"


def test_a_wrong_password_is_a_matter_of_the_settings(start: Start, certificate: LoopbackCertificate) -> None:
    mailbox = start(
        tls_context=certificate.server_context(),
        authenticator=check_password,
        auth_required=True,
        auth_require_tls=True,
    )
    failure = failure_of(channel(mailbox.port, certificate, security="starttls", username="grid", password="wr0ng"))
    assert (failure.kind, failure.status) == ("configuration", 535)
    assert "wr0ng" not in str(failure)


def test_a_server_without_tls_never_sees_the_password(start: Start) -> None:
    mailbox = start()
    failure = failure_of(channel(mailbox.port, security="starttls", username="grid", password="p4ss-s3cret"))
    assert failure.kind == "configuration"
    failure = failure_of(channel(mailbox.port, security="none", username="grid", password="p4ss-s3cret"))
    assert (failure.kind, "in the clear" in failure.reason) == ("configuration", True)
    assert mailbox.envelopes == []


def test_a_server_of_another_authority_is_not_trusted(start: Start, certificate: LoopbackCertificate) -> None:
    mailbox = start(tls_context=certificate.server_context())
    failure = failure_of(channel(mailbox.port, security="starttls"))
    assert (failure.kind, "certificate" in failure.reason) == ("configuration", True)


@pytest.mark.parametrize(
    ("stage", "answer", "kind", "gone"),
    [
        ("MAIL", "550 5.7.1 not your address", "configuration", False),
        ("MAIL", "451 4.7.1 wait a little", "retry", False),
        ("RCPT", "550 5.1.1 no such user", "permanent", True),
        ("RCPT", "550 5.7.1 relay denied", "permanent", False),
        ("RCPT", "452 4.2.2 mailbox full", "retry", False),
        ("DATA", "554 5.7.1 looks like spam", "permanent", False),
        ("DATA", "451 4.3.0 try later", "retry", False),
    ],
)
def test_the_refusals_of_the_server_are_told_apart(
    start: Start, stage: str, answer: str, kind: str, gone: bool
) -> None:
    mailbox = start()
    mailbox.answers[stage] = answer
    failure = failure_of(channel(mailbox.port))
    assert (failure.kind, failure.disables_recipient, str(failure.status)) == (kind, gone, answer[:3])


def test_a_server_out_of_reach_or_that_resets_is_tried_again_later() -> None:
    assert failure_of(channel(free_port())).kind == "retry"
    with RawReceiver(reset) as receiver:
        assert failure_of(channel(receiver.port, timeout_s=1)).kind == "retry"


def test_an_injected_recipient_never_reaches_the_server(start: Start) -> None:
    mailbox = start()
    for recipient in ("a@b.example\r\nRCPT TO:<c@d.example>", "a@b.example>\r\nRCPT TO:<c@d.example"):
        with pytest.raises(DeliveryFailed):
            channel(mailbox.port).send(delivery("email", recipient))
    assert mailbox.envelopes == []
