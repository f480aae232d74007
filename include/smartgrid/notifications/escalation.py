"""Trouble that nobody acknowledges is told to the next in line."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field


class Level(BaseModel):
    """After so many minutes without an acknowledgement since the step before, these receivers hear of it, too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after_minutes: float = Field(gt=0)
    tell: tuple[str, ...] = Field(min_length=1)


class EscalationPolicy(BaseModel):
    """`levels` in order; afterwards the last is repeated every `repeat_minutes`, if given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: tuple[Level, ...] = Field(min_length=1)
    repeat_minutes: float | None = Field(None, gt=0)

    def level(self, number: int) -> Level:
        return self.levels[min(number, len(self.levels) - 1)]

    def due(self, number: int, since: datetime) -> datetime | None:
        """When step `number` (from 0) is due if nobody has acknowledged; None after the last."""
        if number < len(self.levels):
            return since + timedelta(minutes=self.levels[number].after_minutes)
        return since + timedelta(minutes=self.repeat_minutes) if self.repeat_minutes else None
