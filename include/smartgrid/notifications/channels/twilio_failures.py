"""What Twilio's refusals and silences mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smartgrid.notifications.channels.sms_failures import not_sent, perhaps_sent, tls_never_began
from smartgrid.notifications.errors import DeliveryFailed

if TYPE_CHECKING:
    import requests
    from twilio.base.exceptions import TwilioRestException, TwilioServiceException

# Twilio's codes (https://www.twilio.com/docs/api/errors) where the HTTP status alone would mislead.
_GONE = {21610: "has opted out", 21614: "is no mobile number"}
_PERMANENT = {21211, 21217, 21602, 21612, 21617, 21619, 21635}
_OURS = {20003, 20005, 20006, 20008, 20404, 21212, 21408, 21601, 21603, 21606, 21609, 21659, 21660, 21703, 21705}
_BUSY = {14107, 20429, 21611, 30001, 63038}


def refused(error: TwilioRestException | TwilioServiceException, wait_s: float | None) -> DeliveryFailed:
    """For an error of Twilio's client."""
    code = int(error.code) if str(error.code).isdigit() else 0
    said = getattr(error, "msg", None) or getattr(error, "detail", None) or ""
    return answered(int(error.status), code, said, wait_s)


def answered(status: int, code: int, said: str, wait_s: float | None) -> DeliveryFailed:
    """By Twilio's own code first, then by the HTTP status."""
    reason = f"Twilio answered {status}, code {code}: {said}"
    if code in _GONE:
        return DeliveryFailed("permanent", f"the number {_GONE[code]} ({code})", status=status, disables_recipient=True)
    if code in _PERMANENT:
        return DeliveryFailed("permanent", reason, status=status)
    if code in _BUSY or status == 429:
        return not_sent("Twilio", f"is busy ({status}, code {code})", retry_after_s=wait_s, status=status)
    if code in _OURS or status in (401, 403, 404) or 300 <= status < 400:
        return DeliveryFailed("configuration", reason, status=status)
    if status >= 500:
        return perhaps_sent("Twilio", f"answered {status}", status=status)
    return DeliveryFailed("permanent", reason, status=status)


def unanswered(error: requests.RequestException) -> DeliveryFailed:
    """Told apart by whether the request had left."""
    import requests
    import urllib3.exceptions

    cause = error.args[0] if error.args else None
    cause = getattr(cause, "reason", None) or cause
    before = (
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.NameResolutionError,
        urllib3.exceptions.ProxyError,
    )
    early = isinstance(error, requests.exceptions.SSLError) and tls_never_began(error)
    if early or isinstance(error, requests.ConnectTimeout) or isinstance(cause, before):
        return not_sent("Twilio", f"cannot be reached: {type(cause or error).__name__}")
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return DeliveryFailed("configuration", "the address of Twilio's API is not valid")
    if isinstance(error, requests.Timeout):
        return perhaps_sent("Twilio", "did not answer in time")
    return perhaps_sent("Twilio", f"broke the connection ({type(error).__name__})")
