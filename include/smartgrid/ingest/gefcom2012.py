"""GEFCom2012: hourly load of 20 zones of a US utility, 2004-01-01 to 2008-07-07, with 11 temperature stations.

Hong, Pinson, Fan: Global Energy Forecasting Competition 2012. International Journal of Forecasting 30(2), 2014.
"""

from __future__ import annotations

import zipfile

import polars as pl

from smartgrid.ingest.embedded import EmbeddedSource, member
from smartgrid.ingest.gefcom2012_stations import zone_temperatures
from smartgrid.ingest.numbers import parse_numbers
from smartgrid.ingest.units import to_celsius

_DATE = ("year", "month", "day")
_HOURS = [f"h{hour}" for hour in range(1, 25)]
# The solution file adds the sum of the 20 zones as number 21.
_TOTAL = "21"


class Gefcom2012(EmbeddedSource):
    """Zones Z1 to Z20 in kW; `gefcom2012_stations` says which of the 11 stations make the temperature of a
    zone. 18 hours of 2008-06-30 were never published: they have no rows."""

    kind = "gefcom2012"
    parser_version = 2

    def parse(self, wheel: zipfile.ZipFile) -> pl.DataFrame:
        folder = "gefcom2012/load"
        history = _long(member(wheel, f"{folder}/Load_history.csv"), "zone_id")
        # The weeks that the competition held out, and its last week.
        solution = _long(member(wheel, f"{folder}/Load_solution.csv"), "zone_id").filter(pl.col("zone_id") != _TOTAL)
        load = _newest(history, solution, "zone_id")
        stations = _long(member(wheel, f"{folder}/temperature_history.csv"), "station_id")
        held_out = member(wheel, f"{folder}/temperature_solution.csv").select(
            "station_id",
            _local_time(pl.col("hour").cast(pl.Int64)),
            pl.col("T0_p1").cast(pl.Float64).alias("value"),
        )
        temperature = zone_temperatures(_newest(stations, held_out, "station_id"))
        temperature = temperature.select(
            "zone_id", "local_time", to_celsius(temperature["temperature_f"], "F").alias("temperature_c")
        )
        return load.join(temperature, on=["zone_id", "local_time"], how="left").select(
            pl.format("Z{}", pl.col("zone_id")).alias("zone"),
            "local_time",
            pl.col("value").alias("load_kw"),
            "temperature_c",
            pl.lit(None, pl.Float64).alias("temperature_forecast_c"),
        )


def _local_time(hour: pl.Expr) -> pl.Expr:
    """Start of the hour: h1 is taken as the hour that ends at 01:00."""
    year, month, day = (pl.col(name).cast(pl.Int32) for name in _DATE)
    return (pl.datetime(year, month, day) + pl.duration(hours=hour - 1)).alias("local_time")


def _long(days: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row per hour: key, local_time, value. Numbers have thousands separators."""
    hours = days.unpivot(index=[key, *_DATE], on=_HOURS, variable_name="hour", value_name="value")
    value, _ = parse_numbers(hours["value"])
    return hours.select(key, _local_time(pl.col("hour").str.slice(1).cast(pl.Int64)), value.alias("value"))


def _newest(history: pl.DataFrame, solution: pl.DataFrame, key: str) -> pl.DataFrame:
    """Hours of both that have a value; the solution fills what the history leaves blank."""
    both = pl.concat([history, solution]).filter(pl.col("value").is_not_null())
    return both.unique([key, "local_time"], keep="first", maintain_order=True)
