"""Registry of fields: each field once, with name, unit, type, plausible range and meaning.

Validation expectations, SQL comments, API models and `docs/fields.md` derive from it; nothing else repeats a unit
or a range. Add a field here first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DType = Literal["string", "float64", "int64", "date", "timestamp[utc]"]


@dataclass(frozen=True, slots=True)
class Field:
    """One measured or derived quantity.

    `minimum` and `maximum` bound what is physically plausible, in `unit`; None means unbounded.
    """

    name: str
    unit: str
    dtype: DType
    meaning: str
    required: bool = True
    minimum: float | None = None
    maximum: float | None = None


ZONE = Field("zone", "-", "string", "Identifier of the zone, feeder or customer whose load is measured.")
TIME = Field(
    "time", "UTC", "timestamp[utc]", "Start of the measurement interval; readings describe the interval after it."
)
LOAD_KW = Field(
    "load_kw",
    "kW",
    "float64",
    "Mean active power over the interval, consumption positive.",
    minimum=0.0,
    maximum=2_000_000_000.0,  # twice what the largest synchronous grids draw
)
TEMPERATURE_C = Field(
    "temperature_c",
    "°C",
    "float64",
    "Air temperature of the zone, as measured.",
    required=False,
    minimum=-60.0,
    maximum=60.0,
)
TEMPERATURE_FORECAST_C = Field(
    "temperature_forecast_c",
    "°C",
    "float64",
    "Air temperature as forecast the day before.",
    required=False,
    minimum=-60.0,
    maximum=60.0,
)
AVAILABLE_AT = Field(
    "available_at",
    "UTC",
    "timestamp[utc]",
    "When the reading became known; a correction carries a later one. Features use only what was known at issue time.",
)

MEASUREMENT_FIELDS: tuple[Field, ...] = (ZONE, TIME, LOAD_KW, TEMPERATURE_C, TEMPERATURE_FORECAST_C, AVAILABLE_AT)
FIELDS: dict[str, Field] = {field.name: field for field in MEASUREMENT_FIELDS}


def fields_markdown() -> str:
    """The table of `docs/fields.md`."""
    rows = ["| field | unit | type | required | plausible range | meaning |", "|---|---|---|---|---|---|"]
    for field in MEASUREMENT_FIELDS:
        low = "" if field.minimum is None else f"{field.minimum:g}"
        high = "" if field.maximum is None else f"{field.maximum:g}"
        plausible = f"{low} to {high}" if low or high else "any"
        required = "yes" if field.required else "no"
        rows.append(f"| `{field.name}` | {field.unit} | {field.dtype} | {required} | {plausible} | {field.meaning} |")
    return "\n".join(rows) + "\n"
