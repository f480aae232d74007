"""What the asset events that started a run have to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def from_latest_event(events: Mapping[Any, Sequence[Any]], key: str) -> Any:
    """`key` of the extra of the newest event, or None where no event started the run or none has it.

    Several events may start one run; the newest is the one to act on.
    """
    newest_first = sorted(
        (event for of_one_asset in events.values() for event in of_one_asset),
        key=lambda event: event.timestamp,
        reverse=True,
    )
    for event in newest_first:
        extra = event.extra or {}
        if key in extra:
            return extra[key]
    return None
