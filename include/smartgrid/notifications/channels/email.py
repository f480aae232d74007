"""E-mail over SMTP."""

from __future__ import annotations

import logging
import re
import smtplib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from smartgrid.channel_settings import Channels, Smtp
from smartgrid.notifications.channel import Delivery, FailureKind, Receipt
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.tls_trust import tls_context

log = logging.getLogger(__name__)

_MAILBOX = r"[^\s@,;:<>()\"\\]+@(?:[\w-]+(?:\.[\w-]+)+|localhost)"
_ADDRESS = re.compile(rf"(?P<bare>{_MAILBOX})|[^<>@]*<(?P<named>{_MAILBOX})>")
# Not every server takes eight bits; any text fits into seven.
_SEVEN_BIT = SMTP.clone(cte_type="7bit")
_UNKNOWN_MAILBOX = ("5.1.1", "5.1.6", "5.1.10")


class EmailChannel:
    """Needs SMTP_HOST and SMTP_FROM. The password is only ever sent over TLS."""

    name = "email"

    def __init__(self, channels: Channels) -> None:
        self._config: Smtp = channels.smtp
        self._ca_file = channels.egress.ca_file

    def send(self, delivery: Delivery) -> Receipt:
        """Hand one message to the mail server. A repetition has the same `Message-ID`.

        Raises:
            DeliveryFailed: permanent for 5xx, retry for 4xx and without an answer.
        """
        message, sender, recipient = email_message(delivery, self._config)
        began = time.monotonic()
        with _told_apart(), self._session() as server:
            # Not `send_message`: it writes ">From" where a line of the text begins with "From".
            server.sendmail(sender, [recipient], message.as_bytes())
        took_s = time.monotonic() - began
        log.info("e-mail %s was taken by %s after %.2f s", delivery.delivery_id, self._config.host, took_s)
        return Receipt(str(message["Message-ID"]).strip("<>"), "accepted", took_s, f"smtp: {self._config.host}")

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        config = self._config
        host = config.host or ""
        if config.password is not None and config.security == "none":
            reason = "SMTP_SECURITY=none would send SMTP_PASSWORD in the clear: use starttls or tls"
            raise DeliveryFailed("configuration", reason)
        with _connected(config, host, self._ca_file) as server:
            if config.security == "starttls":
                server.starttls(context=tls_context(self._ca_file))
            if config.username is not None and config.password is not None:
                server.login(config.username, config.password.get_secret_value())
            yield server


def email_message(delivery: Delivery, config: Smtp) -> tuple[EmailMessage, str, str]:
    """The message, the bare address of the sender and that of the recipient.

    Raises:
        DeliveryFailed: permanent for a recipient that is not one address, and for line breaks in a header;
            configuration without server or sender.
    """
    if not config.host or not config.sender:
        raise DeliveryFailed("configuration", "e-mail needs SMTP_HOST and SMTP_FROM")
    recipient = _one_address(delivery.recipient, "permanent", "the recipient")
    sender = _one_address(config.sender, "configuration", "SMTP_FROM")
    subject = (delivery.subject or delivery.message.strip().partition("\n")[0][:120]) or "Smart Grid"
    if any(character in subject for character in "\r\n\0"):
        raise DeliveryFailed("permanent", "a line break in the subject of an e-mail is refused: it would add headers")
    message = EmailMessage(policy=_SEVEN_BIT)
    try:
        message["From"] = config.sender
        message["To"] = recipient
        message["Subject"] = subject
        message["Date"] = delivery.created_at.astimezone(UTC)
        message["Message-ID"] = f"<{delivery.delivery_id}@{sender.rpartition('@')[2]}>"
        # RFC 3834: no out-of-office answers to an alert.
        message["Auto-Submitted"] = "auto-generated"
        if delivery.priority == "critical":
            message["Importance"] = "high"
        message.set_content(delivery.message + "\n")
    except (MessageError, ValueError, IndexError) as error:
        raise DeliveryFailed("permanent", f"no e-mail can be made of this message: {error}") from None
    return message, sender, recipient


def _one_address(text: str, kind: FailureKind, what: str) -> str:
    """The bare address of `a@b.example` or `Name <a@b.example>`."""
    failure = DeliveryFailed(kind, f"{what} is not one e-mail address")
    match = _ADDRESS.fullmatch(text.strip(" "))
    if match is None or not text.isprintable() or not (match["bare"] or match["named"]).isascii():
        raise failure
    address = match["bare"] or match["named"]
    try:
        Address(addr_spec=address)
    except (MessageError, ValueError, IndexError):
        raise failure from None
    return str(address)


def _connected(config: Smtp, host: str, ca_file: Path | None) -> smtplib.SMTP:
    if config.security == "tls":
        return smtplib.SMTP_SSL(host, config.port, timeout=config.timeout_s, context=tls_context(ca_file))
    return smtplib.SMTP(host, config.port, timeout=config.timeout_s)


@contextmanager
def _told_apart() -> Iterator[None]:
    """Failures of smtplib as this room's."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        kind: FailureKind = "retry" if 400 <= error.smtp_code < 500 else "configuration"
        reason = f"the mail server refuses SMTP_USERNAME and SMTP_PASSWORD ({error.smtp_code})"
        raise DeliveryFailed(kind, reason, status=error.smtp_code) from None
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        raise _answered(code, said, of_recipient=True) from None
    except smtplib.SMTPSenderRefused as error:
        failure = _answered(error.smtp_code, error.smtp_error, of_recipient=False)
        kind = "configuration" if failure.kind == "permanent" else failure.kind
        raise DeliveryFailed(kind, f"SMTP_FROM: {failure.reason}", status=failure.status) from None
    except smtplib.SMTPResponseException as error:
        raise _answered(error.smtp_code, error.smtp_error, of_recipient=False) from None
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryFailed("configuration", f"the mail server cannot do what the settings ask: {error}") from None
    except ssl.SSLCertVerificationError as error:
        raise DeliveryFailed("configuration", f"the mail server's certificate: {error.verify_message}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise DeliveryFailed("retry", f"the mail server cannot be reached ({type(error).__name__})") from None


def _answered(code: int, said: bytes | str, *, of_recipient: bool) -> DeliveryFailed:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    reason = f"the mail server answered {code}: {text[:200]}"
    if code < 500:
        return DeliveryFailed("retry", reason, status=code)
    gone = of_recipient and text.startswith(_UNKNOWN_MAILBOX)
    kind: FailureKind = "configuration" if code in (530, 534, 538) else "permanent"
    return DeliveryFailed(kind, reason, status=code, disables_recipient=gone)
