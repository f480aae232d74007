"""Which column of the source holds which field: as the settings say, else by obvious names."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from smartgrid.errors import SmartGridError
from smartgrid.settings import LoadUnit, Source, TemperatureUnit

log = logging.getLogger(__name__)

# Obvious names in order of preference, each with the unit that it implies (None: the unit of the settings).
_TIME_NAMES = ("time", "timestamp", "datetime", "date_time", "utc_timestamp", "ts")
_ZONE_NAMES = ("zone", "zone_id", "area", "feeder", "meter_id")
_LOAD_NAMES: dict[str, LoadUnit | None] = {
    "load_kw": "kW",
    "load": None,
    "demand": None,
    "value": None,
    "kw": "kW",
    "load_mw": "MW",
    "mw": "MW",
    "kwh": "kWh",
    "load_kwh": "kWh",
    "mwh": "MWh",
    "load_mwh": "MWh",
    "power": None,
}
_TEMPERATURE_NAMES: dict[str, TemperatureUnit | None] = {"temperature_c": "C", "temperature": None, "temp": None}
_FORECAST_NAMES = ("temperature_forecast_c", "temperature_forecast")
_AVAILABLE_NAMES = ("available_at",)


class MissingColumns(SmartGridError):
    """The source has no column for a field that is needed; `missing` maps the setting to the name looked for."""

    exit_code = 2

    def __init__(self, source_ref: str, missing: dict[str, str], found: list[str]) -> None:
        self.source_ref, self.missing, self.found = source_ref, missing, found
        wanted = ", ".join(f"{setting} (looked for {name!r})" for setting, name in missing.items())
        hint = ""
        if len(found) == 1 and any(mark in found[0] for mark in ";\t|"):
            hint = " There is only one column: set source.separator."
        super().__init__(
            f"{source_ref}: no column for {wanted}. The columns are: {', '.join(found) or 'none'}.{hint} "
            f"Name the right ones in [source.columns]."
        )


@dataclass(frozen=True, slots=True)
class Mapping:
    """Names of the columns of one table, and the units of their values."""

    time: str
    zone: str | None
    load: str | None
    temperature: str | None
    temperature_forecast: str | None
    available_at: str | None
    load_unit: LoadUnit
    temperature_unit: TemperatureUnit

    @property
    def named(self) -> set[str]:
        """Every column that has a field."""
        names = (self.time, self.zone, self.load, self.temperature, self.temperature_forecast, self.available_at)
        return {name for name in names if name is not None}


def map_columns(found: list[str], source: Source, source_ref: str) -> Mapping:
    """Decide the mapping for a table with the columns `found`. What the settings name wins over what is obvious.

    Raises:
        MissingColumns: a named column is not there, or time or load cannot be found.
    """
    missing: dict[str, str] = {}
    guessed: dict[str, str] = {}
    explicit = source.columns.model_fields_set
    by_lower = {name.lower(): name for name in reversed(found)}

    def pick(field: str, names: tuple[str, ...], needed: bool) -> str | None:
        wanted: str | None = getattr(source.columns, field)
        if field in explicit:
            if wanted is not None and wanted not in found:
                missing[f"source.columns.{field}"] = wanted
            return wanted
        for name in names:
            if name in by_lower:
                if by_lower[name] != wanted:
                    guessed[field] = by_lower[name]
                return by_lower[name]
        if needed:
            missing[f"source.columns.{field}"] = " or ".join(names)
        return None

    time = pick("time", _TIME_NAMES, needed=True)
    zone = None if source.wide else pick("zone", _ZONE_NAMES, needed=False)
    load = None if source.wide else pick("load", tuple(_LOAD_NAMES), needed=True)
    temperature = pick("temperature", tuple(_TEMPERATURE_NAMES), needed=False)
    forecast = pick("temperature_forecast", _FORECAST_NAMES, needed=False)
    available_at = pick("available_at", _AVAILABLE_NAMES, needed=False)
    if not source.wide and load is None and not missing:
        missing["source.columns.load"] = "a column, or source.wide = true"
    if missing:
        raise MissingColumns(source_ref, missing, found)

    load_unit, temperature_unit = source.units.load, source.units.temperature
    units_set = source.units.model_fields_set
    if load is not None and "load" in guessed and "load" not in units_set:
        load_unit = _LOAD_NAMES[load.lower()] or load_unit
    if temperature is not None and "temperature" in guessed and "temperature" not in units_set:
        temperature_unit = _TEMPERATURE_NAMES[temperature.lower()] or temperature_unit
    if guessed:
        pairs = ", ".join(f"{field} = {name!r}" for field, name in guessed.items())
        log.info("%s: columns found by their names: %s; load in %s", source_ref, pairs, load_unit)
    assert time is not None
    return Mapping(time, zone, load, temperature, forecast, available_at, load_unit, temperature_unit)
