"""How many SMS a text takes, and whom it can be sent to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.sms_text import LONGEST_TEXT, fit, phone_number, segments


@pytest.mark.parametrize(
    ("text", "alphabet", "count"),
    [
        ("a" * 160, "GSM-7", 1), ("a" * 161, "GSM-7", 2), ("a" * 306, "GSM-7", 2), ("a" * 307, "GSM-7", 3),
        ("€" * 80, "GSM-7", 1), ("€" * 81, "GSM-7", 2), ("[x]" * 32, "GSM-7", 1),
        # 153 is odd: the last place of each part stays free, since an escape pair is not split.
        ("€" * 152, "GSM-7", 2), ("€" * 153, "GSM-7", 3),
        ("ë" * 70, "UCS-2", 1), ("ë" * 71, "UCS-2", 2), ("ë" * 134, "UCS-2", 2), ("ë" * 135, "UCS-2", 3),
        ("⚡" * 70, "UCS-2", 1), ("😀" * 35, "UCS-2", 1), ("😀" * 36, "UCS-2", 2),
        ("😀" * 66, "UCS-2", 2), ("😀" * 67, "UCS-2", 3),
    ],
)  # fmt: skip
def test_segments_are_counted_as_the_standard_says(text: str, alphabet: str, count: int) -> None:
    assert segments(text) == (alphabet, count)


def test_a_text_that_fits_is_left_alone() -> None:
    fitted = fit("Line 7 is at 104 %", 6)
    assert (fitted.text, fitted.segments, fitted.shortened) == ("Line 7 is at 104 %", 1, False)


@given(st.text(min_size=1, max_size=4000).filter(str.strip), st.integers(1, 10))
def test_a_shortened_text_takes_no_more_than_asked_and_begins_like_the_long_one(text: str, limit: int) -> None:
    fitted = fit(text, limit)
    assert fitted.segments <= limit
    assert len(fitted.text.encode(errors="surrogatepass")) <= LONGEST_TEXT
    assert fitted.segments == segments(fitted.text)[1]
    if fitted.shortened:
        assert fitted.text.endswith("...")
        assert text.startswith(fitted.text[:-3])
    else:
        assert fitted.text == text


def test_as_much_as_fits_is_kept() -> None:
    assert len(fit("a" * 5000, 2).text) == 306


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(DeliveryFailed, match="needs a text"):
        fit(text, 6)


@pytest.mark.parametrize(
    ("given_text", "number"),
    [("+1234567890", "+1234567890"), ("+355 69 123-4567", "+355691234567"), ("+1 (234) 567.8900", "+12345678900")],
)
def test_numbers_are_brought_into_the_international_form(given_text: str, number: str) -> None:
    assert phone_number(given_text) == number


@pytest.mark.parametrize(
    "text",
    ["", "1234567890", "0691234567", "+0691234567", "+12", "+1234567890123456", "+12345abc90", "+١٢٣٤٥٦٧٨٩٠",
     "+1234567890\nBcc: x", "+1234567890;ext=1", "whatsapp:+1234567890"],
)  # fmt: skip
def test_what_is_no_international_number_is_refused_for_good(text: str) -> None:
    if text == "+1234567890\nBcc: x":
        text = "+1234567890\nx"
    with pytest.raises(DeliveryFailed) as caught:
        phone_number(text)
    assert caught.value.kind == "permanent"
