"""Events that people should hear of as one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from smartgrid.notifications.rules import Rule
from smartgrid.notifications.topology import Place

KEY_LENGTH = 200


@dataclass(frozen=True)
class Group:
    """`key` is the same for all events of the group, `title` is its name for people."""

    key: str
    title: str


def group_of(
    rule: Rule, place: Place, *, kind: str, team: str | None, data: Mapping[str, Any], condition: str | None
) -> Group:
    """The group of an event under `rule.group_by`. The rule itself is no part of the key: the critical and the other
    events of one substation are one trouble for a receiver.

    Without zones a place says nothing, then the pipeline (`dag`) or, where there is none, the kind stands in for it.
    """
    dag = str(data["dag_id"]) if data.get("dag_id") else ""
    parts, titles = [], []
    for by in rule.group_by:
        if by == "place" and place.level != "none":
            parts.append(f"{place.level}:{place.name}")
            titles.append(place.title)
        elif by == "dag" or (by == "place" and dag):
            parts.append(f"dag:{dag or kind}")
            titles.append(f"pipeline {dag}" if dag else _words(kind))
        elif by == "team" and team:
            parts.append(f"team:{team}")
            titles.append(team)
        elif by == "condition" and condition:
            parts.append(f"condition:{condition}")
        else:
            parts.append(f"kind:{kind}")
            titles.append(_words(kind))
    key = "|".join(dict.fromkeys(parts))
    if len(key) > KEY_LENGTH:
        key = key[: KEY_LENGTH - 40] + hashlib.sha256(key.encode()).hexdigest()[:40]
    return Group(key, ", ".join(dict.fromkeys(titles))[:256])


def next_message_at(digest_minutes: Sequence[float], messages: int, last_told_at: datetime) -> datetime:
    """When what came after message number `messages` is told.

    >>> from datetime import UTC
    >>> next_message_at([10, 60], 5, datetime(2024, 1, 1, tzinfo=UTC)).isoformat()
    '2024-01-01T01:00:00+00:00'
    """
    return last_told_at + timedelta(minutes=digest_minutes[min(max(messages, 1), len(digest_minutes)) - 1])


def _words(kind: str) -> str:
    return kind.replace("_", " ")
