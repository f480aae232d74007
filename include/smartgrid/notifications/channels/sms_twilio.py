"""SMS over Twilio's Messages API, by Twilio's own client."""

from __future__ import annotations

import logging
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from smartgrid.channel_settings import Channels, Sms, Twilio
from smartgrid.notifications.channel import Delivery, Receipt
from smartgrid.notifications.channels.sms_failures import not_sent, perhaps_sent
from smartgrid.notifications.channels.twilio_failures import answered, refused, unanswered
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.expiry import seconds_to_live
from smartgrid.notifications.retry_after import retry_after_s
from smartgrid.notifications.sms_text import SmsText, fit, phone_number

if TYPE_CHECKING:
    import requests
    from twilio.rest import Client

log = logging.getLogger(__name__)

# Twilio lists a message a moment after it took it; a message that is not listed by then was not taken.
SETTLED_AFTER_S = 30.0


class TwilioSms:
    """Needs account, token and a sender: a number or a messaging service."""

    name = "twilio"

    def __init__(self, channels: Channels, settled_after_s: float = SETTLED_AFTER_S) -> None:
        self._sms: Sms = channels.sms
        self._config: Twilio = channels.twilio
        self._settled_after_s = settled_after_s

    def send(self, delivery: Delivery) -> Receipt:
        """Hand one SMS to Twilio.

        Raises:
            DeliveryFailed: ambiguous after a timeout, a broken connection or a 5xx; `reconcile` finds out.
        """
        client = self._client()
        text = self._text(delivery)
        sender: dict[str, Any] = (
            {"messaging_service_sid": self._config.messaging_service_sid}
            if self._config.messaging_service_sid
            else {"from_": self._config.phone_number}
        )
        if self._config.status_callback_url:
            sender["status_callback"] = self._config.status_callback_url
        validity_s = seconds_to_live(delivery, self._sms.validity_s)
        began = time.monotonic()
        message = self._asked(
            lambda: client.messages.create(
                to=phone_number(delivery.recipient), body=text.text, validity_period=validity_s, **sender
            )
        )
        took_s = time.monotonic() - began
        if not message.sid:
            raise perhaps_sent("Twilio", "gave an answer without an id")
        log.info("SMS %s is %s at Twilio: %s", delivery.delivery_id, message.status, message.sid)
        cut = f", shortened from {len(sms_body(delivery))} to {len(text.text)} characters" if text.shortened else ""
        return Receipt(message.sid, str(message.status), took_s, f"twilio: {text.segments} SMS ({text.alphabet}){cut}")

    def reconcile(self, delivery: Delivery, started_at: datetime) -> Receipt | None:
        """Look for the message among those to this number since `started_at`.

        Raises:
            DeliveryFailed: retry, while Twilio cannot be asked or the message may still appear.
        """
        client = self._client()
        since = started_at.astimezone(UTC) - timedelta(seconds=5)  # the clocks differ a little
        query: dict[str, Any] = {"to": phone_number(delivery.recipient), "limit": 100}
        if not self._config.messaging_service_sid and self._config.phone_number:
            query["from_"] = self._config.phone_number
        # A queued message has no date of sending yet, so it is the day alone that the query may not narrow: messages
        # are listed newest first, and compared by their date of creation.
        try:
            found = self._asked(lambda: client.messages.list(**query))
        except DeliveryFailed as failure:
            if failure.kind == "ambiguous":  # only a question, which may be put again
                raise not_sent("Twilio", "cannot be asked what became of the message", status=failure.status) from None
            raise
        body = self._text(delivery).text
        for message in found:
            created = message.date_created or message.date_sent
            if message.body == body and created is not None and created.astimezone(UTC) >= since:
                return Receipt(message.sid, str(message.status), 0.0, "twilio: found by reconciliation")
        age_s = (datetime.now(UTC) - started_at.astimezone(UTC)).total_seconds()
        if age_s < self._settled_after_s:
            wait_s = self._settled_after_s - age_s
            raise not_sent("Twilio", "does not list the message yet", retry_after_s=wait_s)
        return None

    def _text(self, delivery: Delivery) -> SmsText:
        return fit(sms_body(delivery), self._sms.max_segments)

    def _client(self) -> Client:
        config = self._config
        missing = [
            name
            for name, value in (
                ("TWILIO_ACCOUNT_SID", config.account_sid),
                ("TWILIO_AUTH_TOKEN", config.auth_token),
                ("TWILIO_PHONE_NUMBER", config.phone_number or config.messaging_service_sid),
            )
            if not value
        ]
        if missing:
            raise DeliveryFailed("configuration", f"SMS over Twilio needs {', '.join(missing)}")
        return _client_of(os.getpid(), config)

    def _asked(self, call: Any) -> Any:
        """The answer of a call of Twilio's client, its failures told apart."""
        import requests
        from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException

        _answers.retry_after = None
        try:
            return call()
        except (TwilioRestException, TwilioServiceException) as error:
            raise refused(error, _last_retry_after()) from None
        except TwilioException as error:
            # A list that cannot be had is told with the bare answer.
            status = getattr(error.args[-1], "status_code", None) if error.args else None
            if status is not None:
                raise answered(int(status), 0, "", _last_retry_after()) from None
            raise DeliveryFailed("configuration", f"Twilio's client: {error}") from None
        except requests.RequestException as error:
            raise unanswered(error) from None
        except ValueError:  # an answer that is not JSON, after the message was handed over
            raise perhaps_sent("Twilio", "gave an answer that cannot be read") from None


def sms_body(delivery: Delivery) -> str:
    """Subject and message; an SMS has no subject of its own."""
    subject = (delivery.subject or "").strip()
    if not subject or delivery.message.startswith(subject):
        return delivery.message
    return f"{subject}: {delivery.message}" if delivery.message.strip() else subject


_answers = threading.local()


def _last_retry_after() -> float | None:
    """`Retry-After` of this thread's last answer: Twilio's errors do not carry the headers."""
    return retry_after_s(getattr(_answers, "retry_after", None))


@lru_cache(maxsize=8)
def _client_of(_process: int, config: Twilio) -> Client:
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    # At INFO it writes every number and text into the log.
    logging.getLogger("twilio.http_client").setLevel(logging.WARNING)

    def remember(answer: requests.Response, **_: Any) -> None:
        _answers.retry_after = answer.headers.get("Retry-After")

    assert config.auth_token is not None
    http = TwilioHttpClient(timeout=config.timeout_s, request_hooks={"response": remember})
    client = Client(config.account_sid, config.auth_token.get_secret_value(), http_client=http)
    client.api.base_url = config.base_url.rstrip("/")
    return client
