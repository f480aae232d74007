"""Who hears of what: receivers, rules, storm limits, quiet hours and escalations, from one reviewed YAML file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from smartgrid.notifications.channel import ChannelName, Platform
from smartgrid.notifications.escalation import EscalationPolicy
from smartgrid.notifications.matching import Matcher
from smartgrid.notifications.policy_errors import BadPolicy, problems_of
from smartgrid.notifications.quiet_hours import Hours, QuietHours
from smartgrid.notifications.topology import Place
from smartgrid.store.events import EventRow, Severity

PACKAGED = Path(__file__).with_name("routing.yaml")
SETTING = "SMARTGRID_ROUTING__FILE"
SUBSCRIBERS = "subscribers"
Name = str
GroupBy = Literal["place", "kind", "team", "dag", "condition"]


class _Reviewed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReceiverTarget(_Reviewed):
    """One way to reach a receiver.

    `recipient` is as in a request to send, `$NAME` for the environment variable NAME (numbers and tokens are personal
    data and do not belong in a reviewed file), or `subscribers`: every registered endpoint or browser.
    """

    channel: ChannelName
    recipient: str = Field(min_length=1)
    platform: Platform | None = None
    from_severity: Severity = "low"

    @field_validator("recipient")
    @classmethod
    def _from_environment(cls, value: str) -> str:
        if not value.startswith("$"):
            return value
        found = os.environ.get(value[1:])
        if not found:
            raise ValueError(f"the environment variable {value[1:]} is not set")
        return found


class Receiver(_Reviewed):
    """People who are told together: a team, a duty phone, a system."""

    targets: tuple[ReceiverTarget, ...] = Field(min_length=1)


class Storm(_Reviewed):
    """How much one receiver is told of one trouble."""

    dedupe_minutes: float = Field(60, ge=0, description="the same condition again within: counted, not told")
    digest_minutes: tuple[float, ...] = Field(
        (10, 60, 240), min_length=1, description="pauses after the first message, the second, ...; the last repeats"
    )
    idle_hours: float = Field(
        24, gt=0, description="trouble that nothing resolves is over after so long without events"
    )


class Rule(_Reviewed):
    """Events that fit `match` (within `hours`, if given) are told to the receivers of `tell`; nobody: only recorded."""

    name: Name = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    match: Matcher = Matcher()
    hours: Hours | None = None
    tell: tuple[Name, ...] = ()
    group_by: tuple[GroupBy, ...] = ("place",)
    escalation: Name | None = None
    ignores_quiet_hours: bool = False
    dedupe_minutes: float | None = Field(None, ge=0)
    digest_minutes: tuple[float, ...] | None = Field(None, min_length=1)
    also_next: bool = Field(False, description="go on with the rules below; else the first rule that fits decides")


class RoutingPolicy(_Reviewed):
    """The whole file."""

    version: Literal[1]
    receivers: dict[Name, Receiver]
    rules: tuple[Rule, ...] = Field(min_length=1)
    storm: Storm = Storm()
    quiet_hours: tuple[QuietHours, ...] = ()
    escalations: dict[Name, EscalationPolicy] = {}

    @model_validator(mode="after")
    def _names_exist(self) -> RoutingPolicy:
        names = [rule.name for rule in self.rules]
        problems = [f"two rules are named {name}" for name in sorted({n for n in names if names.count(n) > 1})]
        for rule in self.rules:
            problems += [f"rule {rule.name}: no receiver {name!r}" for name in rule.tell if name not in self.receivers]
            if rule.escalation is not None and rule.escalation not in self.escalations:
                problems.append(f"rule {rule.name}: no escalation {rule.escalation!r}")
        for name, policy in self.escalations.items():
            told = [receiver for level in policy.levels for receiver in level.tell]
            problems += [f"escalation {name}: no receiver {one!r}" for one in told if one not in self.receivers]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def rules_for(self, event: EventRow, place: Place, moment: datetime, zone: ZoneInfo) -> Iterator[Rule]:
        """The rules that decide about `event`, in the order of the file."""
        for rule in self.rules:
            if rule.hours is not None and rule.hours.end_of(moment, zone) is None:
                continue
            if rule.match.fits(event, place):
                yield rule
                if not rule.also_next:
                    return

    def rule(self, name: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.name == name), None)


def load_policy(path: Path | None) -> RoutingPolicy:
    """The policy of a YAML file (None: the packaged one), read again when it changes.

    Raises:
        BadPolicy
    """
    path = path or PACKAGED
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise BadPolicy(path, [f"cannot be read: {error.strerror}"], SETTING) from None


@lru_cache(maxsize=4)
def _read(path: Path, _stamp: int) -> RoutingPolicy:
    try:
        return RoutingPolicy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadPolicy(path, [f"not YAML: {error}"], SETTING) from None
    except ValidationError as error:
        raise BadPolicy(path, problems_of(error), SETTING) from None
