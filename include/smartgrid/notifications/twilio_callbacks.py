"""What Twilio's error codes in delivery reports mean (https://www.twilio.com/docs/api/errors)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TwilioError:
    """`text`: what happened. `of_the_number`: the number itself is the cause, so more messages are pointless."""

    text: str
    of_the_number: bool = False


_KNOWN = {
    "21610": TwilioError("the number has opted out", of_the_number=True),
    "30001": TwilioError("Twilio's queue was full"),
    "30002": TwilioError("the Twilio account is suspended"),
    "30003": TwilioError("the phone is off or out of reach"),
    "30004": TwilioError("the number blocks such messages", of_the_number=True),
    "30005": TwilioError("the number does not exist any more", of_the_number=True),
    "30006": TwilioError("the number is a landline, or its carrier cannot be reached"),
    "30007": TwilioError("a carrier filtered the message"),
    "30008": TwilioError("the carrier gave no reason"),
    "30034": TwilioError("the sender is not registered for messages to the United States"),
    "30036": TwilioError("the message waited longer than its validity period"),
}


def error_of(code: str | None) -> TwilioError | None:
    """The meaning of an `ErrorCode`; None where there is none.

    >>> error_of("30005")
    TwilioError(text='the number does not exist any more', of_the_number=True)
    >>> error_of("4711").text
    "Twilio's error 4711"
    """
    if not code:
        return None
    return _KNOWN.get(code) or TwilioError(f"Twilio's error {code[:32]}")
