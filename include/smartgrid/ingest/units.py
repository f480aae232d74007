"""Units of the source to the units of the fields: kW and °C."""

from __future__ import annotations

import polars as pl

from smartgrid.settings import LoadUnit, TemperatureUnit

_TO_KW: dict[str, float] = {"W": 1e-3, "kW": 1.0, "MW": 1e3, "GW": 1e6}


def load_factor(unit: LoadUnit, interval_minutes: int) -> float:
    """What a load in `unit` is multiplied with to be kW. Energy is energy per interval.

    >>> load_factor("kWh", 15)
    4.0
    """
    if unit.endswith("h"):
        return _TO_KW[unit.removesuffix("h")] * 60 / interval_minutes
    return _TO_KW[unit]


def to_celsius(values: pl.Series, unit: TemperatureUnit) -> pl.Series:
    """Temperatures in °C.

    >>> to_celsius(pl.Series([32.0, 212.0]), "F").to_list()
    [0.0, 100.0]
    """
    if unit == "F":
        return (values - 32.0) / 1.8
    return values - 273.15 if unit == "K" else values
