"""The one feature schema of training and serving. It travels inside the SavedModel."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Temperature = Literal["forecast", "actual", "none"]

LAG_DAYS = (1, 2, 3, 4, 5, 6, 7, 8, 14, 21)
HINGES_C = (10.0, 14.0, 18.0, 22.0, 26.0)
DAY_OFF_HINGES_C = (10.0, 18.0, 22.0)
# Temperatures with all hinges; those with two hinges; and those that enter as they are.
TEMPERATURES = ("now", "day_mean", "lag_1d", "mean_3h", "mean_24h", "mean_72h")
COARSE_TEMPERATURES = ("day_max", "day_min", "mean_12h")
COARSE_HINGES_C = (14.0, 22.0)
NEIGHBOUR_HOURS = (-3, -2, -1, 1, 2, 3)
PLAIN_TEMPERATURES = (
    "lag_2d",
    "lag_7d",
    *(f"{abs(hours)}h_{'before' if hours < 0 else 'after'}" for hours in NEIGHBOUR_HOURS),
)
LAG_NEIGHBOUR_HOURS = (-2, -1, 1, 2)
PROFILE_HOURS = (3, 6, 9, 12, 15, 18, 21)
# What the slot would have if the last days went on (`load_profile`), and how far yesterday was from its own profile.
PROFILE_COLUMNS = (
    "profile",
    "last_load_against_profile",
    "last_4h_against_profile",
    "last_half_day_against_profile",
    "last_day_against_profile",
    "lag_1d_against_profile",
)


class FeatureSchema(BaseModel):
    """Names and order of the columns of one feature row, and what a client must know to compute them.

    `zone_code` is the index of the zone in `zones` (-1: a zone that training did not see), `slot` the number of the
    interval in the local day, `level_kw` the mean load of the last 365 days (of what there is, if less). Every other
    column is dimensionless or divided by `level_kw`, so that zones of any size compare.
    """

    model_config = ConfigDict(frozen=True)

    names: list[str]
    zones: list[str]
    interval_minutes: int = Field(ge=5, le=60)
    timezone: str
    holidays: str | None = None
    temperature: Temperature

    def index(self, name: str) -> int:
        """Position of a column."""
        return self.names.index(name)

    @property
    def slots_per_day(self) -> int:
        return 24 * 60 // self.interval_minutes


def feature_names(temperature: Temperature) -> list[str]:
    """Columns in order; without temperature the weather columns are left out.

    >>> feature_names("none")[:4]
    ['zone_code', 'slot', 'level_kw', 'lag_1d']
    """
    names = ["zone_code", "slot", "level_kw"]
    names += [f"lag_{days}d" for days in LAG_DAYS]
    names += ["last_load", "load_2h_before", "load_4h_before", "last_against_1d", "last_against_7d"]
    names += ["last_day_mean", "last_day_max", "last_day_min", "last_week_mean"]
    names += [f"last_day_at_{hour}h" for hour in PROFILE_HOURS]
    names += [f"lag_1d_{abs(hours)}h_{'before' if hours < 0 else 'after'}" for hours in LAG_NEIGHBOUR_HOURS]
    names += ["like_day_lag", "like_day_mean", "day_off_x_like_day_lag"]
    weekdays = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    names += [f"is_{day}" for day in weekdays]
    names += [f"{day}_x_lag_1d" for day in weekdays]
    names += [f"{day}_x_last_load" for day in weekdays]
    names += [f"year_{wave}_{order}" for order in (1, 2, 3) for wave in ("sin", "cos")]
    names += ["holiday", "holiday_yesterday", "holiday_tomorrow", "holiday_7d_ago"]
    names += ["holiday_x_lag_1d", "holiday_x_lag_7d", "holiday_yesterday_x_lag_1d", "holiday_7d_ago_x_lag_7d"]
    names += ["year_sin_1_x_lag_1d", "year_cos_1_x_lag_1d", "trend_years"]
    names += PROFILE_COLUMNS
    if temperature != "none":
        for kind in TEMPERATURES:
            names += [f"temperature_{kind}", f"temperature_{kind}_squared"]
            names += [f"temperature_{kind}_above_{hinge:g}c" for hinge in HINGES_C]
        for kind in COARSE_TEMPERATURES:
            names += [f"temperature_{kind}", f"temperature_{kind}_squared"]
            names += [f"temperature_{kind}_above_{hinge:g}c" for hinge in COARSE_HINGES_C]
        names += [f"temperature_{kind}" for kind in PLAIN_TEMPERATURES]
        for load in ("lag_1d", "lag_7d", "last_load"):
            names += [f"{load}_x_temperature_{kind}" for kind in ("now", "day_mean", "lag_1d")]
        names += ["day_off_x_temperature_now", "day_off_x_temperature_day_mean"]
        names += [f"day_off_x_temperature_now_above_{hinge:g}c" for hinge in DAY_OFF_HINGES_C]
        for wave in ("sin", "cos"):
            names += [f"year_{wave}_1_x_temperature_now", f"year_{wave}_1_x_temperature_day_mean"]
        names += ["temperature_now_x_mean_24h", "temperature_now_x_mean_72h"]
        names += ["warmth_now_x_warmth_mean_24h", "cold_now_x_cold_mean_24h"]
    return names
