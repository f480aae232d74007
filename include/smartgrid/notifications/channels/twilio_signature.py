"""Whether a delivery-status callback is Twilio's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smartgrid.settings import Settings


def valid(url: str, form: Mapping[str, str], signature: str, settings: Settings) -> bool:
    """True when the account's token signed this form for this address.

    `url` is the address as Twilio called it. Behind a proxy this service sees another one, so where
    TWILIO_STATUS_CALLBACK_URL is set that is taken, with the query of `url`. Without a token nothing is valid.
    """
    from twilio.request_validator import RequestValidator

    twilio = settings.channels.twilio
    if twilio.auth_token is None or not signature or not signature.isascii():
        return False
    if twilio.status_callback_url:
        query = url.partition("?")[2]
        base = twilio.status_callback_url
        url = f"{base}?{query}" if query and "?" not in base else base
    return bool(RequestValidator(twilio.auth_token.get_secret_value()).validate(url, dict(form), signature))
