"""What the service says of one refresh, whichever of its two forms it uses for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from smartgrid.powerbi.entities import Json, moment

State = Literal["running", "completed", "failed", "cancelled", "disabled", "timed_out"]

# `Unknown` is the service's word for "in progress". A word that is not here is taken as in progress too: to call an
# end that is none would be the worse mistake.
STATES: dict[str, State] = {
    "unknown": "running",
    "notstarted": "running",
    "inprogress": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "disabled": "disabled",
    "timedout": "timed_out",
}
BY_API = ("ViaApi", "ViaEnhancedApi")
MAX_TEXT = 2000


@dataclass(frozen=True)
class RefreshReport:
    """One refresh as seen in the history, or by asking for it alone."""

    state: State
    request_id: str | None
    refresh_type: str | None
    started_at: datetime | None
    ended_at: datetime | None
    failure: str

    @property
    def identity(self) -> str:
        """What tells it from the others; entries without an id are known by their start."""
        return self.request_id or f"{self.refresh_type}@{self.started_at.isoformat() if self.started_at else '?'}"

    @property
    def by_api(self) -> bool:
        return self.refresh_type is None or self.refresh_type in BY_API


def from_history(row: Json) -> RefreshReport:
    """An entry of the refresh history."""
    return RefreshReport(
        state=_state(row.get("extendedStatus"), row.get("status")),
        request_id=row.get("requestId") or None,
        refresh_type=row.get("refreshType"),
        started_at=moment(row.get("startTime")),
        ended_at=moment(row.get("endTime")),
        failure=failure_text(row),
    )


def from_details(row: Json, request_id: str, http_status: int) -> RefreshReport:
    """The execution details of an enhanced refresh; HTTP 202 means that it still runs, whatever the body says."""
    state = _state(row.get("extendedStatus"), row.get("status"))
    return RefreshReport(
        state="running" if http_status == 202 else state,
        request_id=request_id,
        refresh_type="ViaEnhancedApi",
        started_at=moment(row.get("startTime")),
        ended_at=moment(row.get("endTime")),
        failure=failure_text(row),
    )


def failure_text(row: Json) -> str:
    """Why it failed, in the service's words: error code and description, messages of the engine, attempts.

    >>> failure_text({"serviceExceptionJson": '{"errorCode":"ModelRefreshFailed_CredentialsNotSpecified"}'})
    'ModelRefreshFailed_CredentialsNotSpecified'
    """
    found = [_exception(row.get("serviceExceptionJson"))]
    attempts = row.get("refreshAttempts")
    if isinstance(attempts, list):
        found += [_exception(one.get("serviceExceptionJson")) for one in attempts if isinstance(one, dict)]
    messages = row.get("messages")
    if isinstance(messages, list):
        found += [
            " ".join(str(one[name]) for name in ("code", "message") if one.get(name))
            for one in messages
            if isinstance(one, dict) and one.get("type", "Error") == "Error"
        ]
    distinct = list(dict.fromkeys(text for text in found if text))
    return "; ".join(distinct)[:MAX_TEXT]


def _state(detailed: object, general: object) -> State:
    """The detailed status says more; where it is silent or unknown, the general one counts."""
    word = _plain(detailed)
    if word and word != "unknown":
        return STATES.get(word, "running")
    return STATES.get(_plain(general), "running")


def _plain(word: object) -> str:
    return str(word or "").replace(" ", "").lower()


def _exception(text: Any) -> str:
    """serviceExceptionJson is JSON inside a string; what cannot be read is given as it is."""
    if not text:
        return ""
    try:
        parsed = json.loads(text) if isinstance(text, str) else text
    except json.JSONDecodeError:
        return str(text)
    if not isinstance(parsed, dict):
        return str(parsed)
    named = [str(parsed[name]) for name in ("errorCode", "errorDescription", "message") if parsed.get(name)]
    return ": ".join(named) or json.dumps(parsed)
