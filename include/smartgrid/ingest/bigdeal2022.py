"""BigDEAL Challenge 2022, final match: hourly load of three local distribution companies, 2015 to October 2018.

It has what GEFCom2012 lacks: day-ahead temperature forecasts (2018).
"""

from __future__ import annotations

import zipfile

import polars as pl

from smartgrid.ingest.embedded import EmbeddedSource, member
from smartgrid.ingest.units import load_factor, to_celsius

_ZONES = ["LDC1", "LDC2", "LDC3"]
_STATIONS = [f"T{station}" for station in range(1, 7)]


class BigDeal2022(EmbeddedSource):
    """Zones LDC1 to LDC3. The file does not name its unit: its loads (150 to 3000) are taken as MW, the size of a
    distribution company. Temperatures are the mean of six stations. After October 2018 there is weather only."""

    kind = "bigdeal2022"
    parser_version = 1

    def parse(self, wheel: zipfile.ZipFile) -> pl.DataFrame:
        table = member(wheel, "bigdeal2022/final_match/final_match.csv")
        hours = table.select(
            # Hour 1 is taken as the hour that ends at 01:00.
            (
                pl.col("DATE").str.to_datetime("%d-%b-%y", time_unit="us")
                + pl.duration(hours=pl.col("Hour").cast(pl.Int64) - 1)
            ).alias("local_time"),
            *(pl.col(zone).cast(pl.Float64) * load_factor("MW", 60) for zone in _ZONES),
            pl.mean_horizontal(pl.col(name).cast(pl.Float64) for name in _STATIONS).alias("measured"),
            pl.mean_horizontal(pl.col(f"{name}_forecast").cast(pl.Float64) for name in _STATIONS).alias("forecast"),
        )
        hours = hours.with_columns(
            to_celsius(hours["measured"], "F").alias("temperature_c"),
            to_celsius(hours["forecast"], "F").alias("temperature_forecast_c"),
        )
        return hours.unpivot(
            index=["local_time", "temperature_c", "temperature_forecast_c"],
            on=_ZONES,
            variable_name="zone",
            value_name="load_kw",
        ).select("zone", "local_time", "load_kw", "temperature_c", "temperature_forecast_c")
