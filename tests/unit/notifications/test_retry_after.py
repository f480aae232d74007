"""When a provider wants to be asked again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from smartgrid.notifications.retry_after import LONGEST_S, retry_after_s

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0), (" 3 ", 3.0), ("0.5", 0.5), ("0", 0.0), ("-5", 0.0),
        ("Mon, 23 Nov 2026 12:02:00 GMT", 120.0), ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 12:02:00 -0000", 120.0), ("Mon, 23 Nov 2026 14:02:00 +0200", 120.0),
        ("99999999999", LONGEST_S), ("inf", LONGEST_S),
        (None, None), ("", None), ("soon", None), ("nan", None), ("Mon, 99 Foo 2026", None),
    ],
)  # fmt: skip
def test_both_forms_are_read_and_nonsense_is_not(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, NOW) == seconds
