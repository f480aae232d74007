"""Why a row is rejected. The order is the precedence: a row carries the first reason that holds, evidence names all."""

from __future__ import annotations

from enum import IntEnum


class Reason(IntEnum):
    """Value = position of the reason's bit in a row's mask."""

    ZONE_MISSING = 0
    TIME_MISSING = 1
    TIME_UNPARSEABLE = 2
    TIME_NOT_ON_GRID = 3
    TIME_IN_FUTURE = 4
    LOAD_MISSING = 5
    LOAD_NOT_A_NUMBER = 6
    LOAD_NEGATIVE = 7
    LOAD_OUT_OF_RANGE = 8
    LOAD_SPIKE = 9
    LOAD_ZERO = 10
    FLAT_LINE = 11
    TEMPERATURE_NOT_A_NUMBER = 12
    TEMPERATURE_IMPLAUSIBLE = 13
    TEMPERATURE_JUMP = 14
    DUPLICATE = 15
    DUPLICATE_CONFLICT = 16
    SUPERSEDED = 17

    @property
    def code(self) -> str:
        return self.name.lower()

    @property
    def bit(self) -> int:
        return 1 << self.value


MEANING: dict[Reason, str] = {
    Reason.ZONE_MISSING: "the row names no zone",
    Reason.TIME_MISSING: "the row has no time",
    Reason.TIME_UNPARSEABLE: "the time is not a time",
    Reason.TIME_NOT_ON_GRID: "the time is not the start of an interval",
    Reason.TIME_IN_FUTURE: "the time lies after the end of the batch window",
    Reason.LOAD_MISSING: "the row has no load",
    Reason.LOAD_NOT_A_NUMBER: "the load is not a finite number",
    Reason.LOAD_NEGATIVE: "the load is negative (see limits.allow_negative_load)",
    Reason.LOAD_OUT_OF_RANGE: "the load is above the plausible range, or ten times what the zone ever reads",
    Reason.LOAD_SPIKE: "a lone reading far from both neighbours",
    Reason.LOAD_ZERO: "zero in a zone that is otherwise never near zero",
    Reason.FLAT_LINE: "a repeat of the same reading for hours: a stuck meter",
    Reason.TEMPERATURE_NOT_A_NUMBER: "the temperature is not a finite number",
    Reason.TEMPERATURE_IMPLAUSIBLE: "the temperature is outside the plausible range",
    Reason.TEMPERATURE_JUMP: "a lone temperature far from both neighbours",
    Reason.DUPLICATE: "the same reading once more",
    Reason.DUPLICATE_CONFLICT: "another value for a reading that is already there, known at the same moment",
    Reason.SUPERSEDED: "a later correction of the same reading is in the batch",
}


def codes(mask: int) -> list[str]:
    """Reason codes of a mask, by precedence.

    >>> codes(Reason.LOAD_SPIKE.bit | Reason.ZONE_MISSING.bit)
    ['zone_missing', 'load_spike']
    """
    return [reason.code for reason in Reason if mask & reason.bit]
