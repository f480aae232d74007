"""A half-open span of time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from smartgrid.errors import WindowError


class Window(BaseModel):
    """`start` is inside, `end` is not; both timezone-aware, kept in UTC.

    >>> Window(start="2007-12-01T00:00:00-05:00", end="2007-12-02T00:00:00-05:00").hours
    24.0
    """

    model_config = ConfigDict(frozen=True)

    start: datetime
    end: datetime

    def __init__(self, start: datetime | str, end: datetime | str, **data: Any) -> None:
        super().__init__(start=start, end=end, **data)

    @model_validator(mode="after")
    def _ordered_and_aware(self) -> Window:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise WindowError(self.start, self.end, "no time zone")
        if self.start >= self.end:
            raise WindowError(self.start, self.end, "nothing lies between")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        return self

    @property
    def hours(self) -> float:
        return (self.end - self.start).total_seconds() / 3600

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:%MZ}..{self.end:%Y-%m-%dT%H:%MZ}"
