"""How long a text message may be, and how many SMS it takes (3GPP TS 23.038 and 23.040)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from smartgrid.notifications.errors import DeliveryFailed

# The basic character set takes one septet a character, the extension table two.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("^{}\\[~]|€\f")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
# Both providers take no more, however many SMS that is.
LONGEST_TEXT = 1600

Alphabet = Literal["GSM-7", "UCS-2"]


@dataclass(frozen=True)
class SmsText:
    """What is sent: `text` in `segments` SMS of `alphabet`; `shortened` tells whether its end was cut off."""

    text: str
    alphabet: Alphabet
    segments: int
    shortened: bool = False


def segments(text: str) -> tuple[Alphabet, int]:
    """Alphabet and number of SMS of a text. A character is never split over two.

    >>> segments("Überlast in Zone 4")
    ('GSM-7', 1)
    >>> segments("Anomalia në zonën 4 — kritike")
    ('UCS-2', 1)
    """
    if all(character in _BASIC or character in _EXTENSION for character in text):
        return "GSM-7", _packed([2 if character in _EXTENSION else 1 for character in text], 160, 153)
    return "UCS-2", _packed([2 if ord(character) > 0xFFFF else 1 for character in text], 70, 67)


def fit(text: str, max_segments: int) -> SmsText:
    """The text as it is, or its beginning with "..." so that it takes at most `max_segments` SMS.

    Raises:
        DeliveryFailed: permanent, for a text without any visible character.
    """
    text = text.encode(errors="replace").decode()  # half a surrogate pair, as broken JSON can hold, becomes "?"
    if not text.strip():
        raise DeliveryFailed("permanent", "an SMS needs a text")
    alphabet, count = segments(text)
    if count <= max_segments and _size(text) <= LONGEST_TEXT:
        return SmsText(text, alphabet, count)
    low, high = 0, min(len(text), LONGEST_TEXT)
    while low < high:  # the longest beginning that fits: the count grows with the length
        middle = (low + high + 1) // 2
        cut = text[:middle].rstrip() + "..."
        if segments(cut)[1] <= max_segments and _size(cut) <= LONGEST_TEXT:
            low = middle
        else:
            high = middle - 1
    cut = text[:low].rstrip() + "..."
    alphabet, count = segments(cut)
    return SmsText(cut, alphabet, count, shortened=True)


def phone_number(text: str) -> str:
    """The number in E.164, `+` and 7 to 15 digits. Spaces, dashes, dots and brackets are taken out.

    Raises:
        DeliveryFailed: permanent, for anything else.
    """
    number = re.sub(r"[\s().\u2010-\u2015-]", "", text)
    if _E164.fullmatch(number) is None:
        raise DeliveryFailed(
            "permanent", "the phone number is not in the E.164 form: + and country code, as in +355691234567"
        )
    return number


def _packed(sizes: list[int], alone: int, each: int) -> int:
    """Number of SMS, of `alone` units when one is enough, else of `each`."""
    if sum(sizes) <= alone:
        return 1
    count, used = 1, 0
    for size in sizes:
        if used + size > each:
            count, used = count + 1, 0
        used += size
    return count


def _size(text: str) -> int:
    # AWS counts bytes, Twilio characters: the larger of both serves either.
    return len(text.encode())
