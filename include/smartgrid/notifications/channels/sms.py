"""SMS by the first provider that takes it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime

from smartgrid.channel_settings import Channels, SmsProvider
from smartgrid.notifications.channel import Delivery, Receipt
from smartgrid.notifications.channels.sms_sns import AwsSnsSms
from smartgrid.notifications.channels.sms_twilio import TwilioSms
from smartgrid.notifications.errors import DeliveryFailed

_REMEMBERED = 10_000


class SmsChannel:
    """Tries the configured providers in order.

    The next one is tried only when the message surely is not with the one before: a permanent failure is the
    number's, not the provider's, and an ambiguous one may mean that the message is under way.
    """

    name = "sms"

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._twilio, self._sns = TwilioSms(channels), AwsSnsSms(channels)
        self._ambiguous_at: OrderedDict[str, SmsProvider] = OrderedDict()
        self._lock = threading.Lock()

    def providers(self) -> tuple[SmsProvider, ...]:
        """Those of the settings; else every configured one."""
        if self._channels.sms.providers:
            return self._channels.sms.providers
        configured: tuple[tuple[SmsProvider, bool], ...] = (
            ("twilio", self._channels.twilio.configured),
            ("aws_sns", self._channels.aws_sns.configured),
        )
        return tuple(name for name, ready in configured if ready)

    def send(self, delivery: Delivery) -> Receipt:
        """Hand the message to the first provider that takes it.

        Raises:
            DeliveryFailed: permanent or ambiguous from the first that says so; `retry` where any provider may take
                it later; else configuration.
        """
        failures: list[DeliveryFailed] = []
        for provider in self.providers():
            try:
                return self._provider(provider).send(delivery)
            except DeliveryFailed as failure:
                if failure.kind == "ambiguous":
                    self._remember(delivery.delivery_id, provider)
                if failure.kind in ("permanent", "ambiguous"):
                    raise
                failures.append(failure)
        raise _of_all(failures)

    def reconcile(self, delivery: Delivery, started_at: datetime) -> Receipt | None:
        """Ask the provider that may have the message.

        After a restart it is not known which one that is. Then Twilio is asked, and where SNS may have been tried,
        too, "Twilio does not have it" proves nothing: ambiguous.
        """
        with self._lock:
            asked = self._ambiguous_at.get(delivery.delivery_id)
        if asked is not None:
            return self._provider(asked).reconcile(delivery, started_at)
        providers = self.providers()
        if "twilio" in providers:
            receipt = self._twilio.reconcile(delivery, started_at)
            if receipt is not None:
                return receipt
        if "aws_sns" in providers:
            return self._sns.reconcile(delivery, started_at)
        return None

    def _provider(self, name: SmsProvider) -> TwilioSms | AwsSnsSms:
        return self._twilio if name == "twilio" else self._sns

    def _remember(self, delivery_id: str, provider: SmsProvider) -> None:
        with self._lock:
            self._ambiguous_at[delivery_id] = provider
            if len(self._ambiguous_at) > _REMEMBERED:
                self._ambiguous_at.popitem(last=False)


def _of_all(failures: list[DeliveryFailed]) -> DeliveryFailed:
    if not failures:
        reason = "no SMS provider is configured: set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_PHONE_NUMBER, "
        return DeliveryFailed("configuration", reason + "or AWS_SNS_REGION")
    if len(failures) == 1:
        return failures[0]
    reason = "; ".join(failure.reason for failure in failures)
    waiting = [failure for failure in failures if failure.kind == "retry"]
    if not waiting:
        return DeliveryFailed("configuration", reason, status=failures[-1].status)
    waits = [failure.retry_after_s for failure in waiting]
    known = [wait for wait in waits if wait is not None]
    # The one that names no time may be asked by the usual schedule.
    soonest = min(known) if len(known) == len(waits) else None
    return DeliveryFailed("retry", reason, retry_after_s=soonest, status=waiting[-1].status)
