from __future__ import annotations

import pytest

from smartgrid.powerbi.retry_after import pause_s, retry_after_s

DATE = "Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "later"}, None),
        ({"Retry-After": "Mon, 23 Nov 2026 12:01:00 GMT", "Date": DATE}, 60.0),
        ({"Retry-After": "Mon, 23 Nov 2026 11:00:00 GMT", "Date": DATE}, 0.0),
    ],
)
def test_pause_that_the_service_asks_for_is_understood(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_pauses_grow_to_a_limit_and_differ() -> None:
    assert 0.7 < pause_s(1, None) < 1.3
    assert 45 <= pause_s(50, None) <= 75
    assert len({pause_s(3, None) for _ in range(20)}) > 1


def test_pause_that_was_asked_for_is_kept_but_never_nothing() -> None:
    assert pause_s(1, 17.0) == 17.0
    assert pause_s(1, 0.0) > 0
