"""Which weather stations speak for which zone of GEFCom2012, whose map was never published.

Chosen from the loads, after Hong, Wang and White, "Weather station selection for electric load forecasting",
International Journal of Forecasting 31(2), 2015: for each zone the stations are ranked by the day-ahead error of the
per-hour ridge with the temperature of that station alone, and the mean of as many of the first ones is taken as gives
the smallest error. Errors are of four windows of 56 days from 2005-07-04, 2006-01-09, 2006-04-17 and 2006-08-28;
nothing after October 2006 took part. Zones 3 and 7 are the same series, and like zone 2 up to a factor.
"""

from __future__ import annotations

import polars as pl

# Z9 is an industrial load that no temperature explains: the mean of all stations.
STATIONS: dict[int, tuple[int, ...]] = {
    1: (10,),
    2: (11,),
    3: (11,),
    4: (11,),
    5: (9, 7, 11, 2),
    6: (11, 9, 7, 2),
    7: (11,),
    8: (11,),
    9: tuple(range(1, 12)),
    10: (1, 4, 7, 3),
    11: (5, 3, 7),
    12: (5, 3),
    13: (2, 11),
    14: (4,),
    15: (6,),
    16: (7,),
    17: (8, 4, 10, 7, 6),
    18: (7, 9, 10, 11),
    19: (10, 6, 8, 7),
    20: (11, 2, 9),
}


def zone_temperatures(stations: pl.DataFrame) -> pl.DataFrame:
    """zone_id (text), local_time and temperature_f, the mean of the stations of each zone, of station_id (text),
    local_time and value."""
    pairs = pl.DataFrame(
        [(str(zone), str(station)) for zone, chosen in STATIONS.items() for station in chosen],
        schema={"zone_id": pl.String, "station_id": pl.String},
        orient="row",
    )
    return (
        stations.join(pairs, on="station_id")
        .group_by("zone_id", "local_time")
        .agg(pl.col("value").mean().alias("temperature_f"))
    )
