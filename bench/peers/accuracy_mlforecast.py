"""LightGBM of mlforecast, day ahead, refitted weekly. Run by `accuracy.py` in an environment of its own.

    python accuracy_mlforecast.py SERIES.csv START DAYS OUT.csv

SERIES.csv has a row for every slot of every local day (`ds`, `y`, perhaps `temperature`, which is then known for the
day ahead, as it is for the models of this project). Lags of the last hours (forecast recursively) and of 1 to 8, 14
and 21 days, means of the last day and week, slot, weekday and day of the year; where there is a temperature, also
that of the hours before and its mean over a day.
"""

from __future__ import annotations

import sys

import pandas as pd

REFIT_DAYS = 7


def slot_of_day(stamps: pd.DatetimeIndex) -> pd.Index:
    return stamps.hour * 60 + stamps.minute


def main(series: str, start: str, days: str, out: str) -> None:
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean

    table = pd.read_csv(series, parse_dates=["ds"])
    step = table["ds"].iloc[1] - table["ds"].iloc[0]
    per_day = round(pd.Timedelta(days=1) / step)
    table.insert(0, "unique_id", "load")
    if "temperature" in table:
        temperature = table["temperature"].astype("float64")
        table["temperature_day_mean"] = temperature.rolling(per_day, min_periods=1).mean()
        for hours in (1, 3, 24):
            table[f"temperature_{hours}h_before"] = temperature.shift(hours * per_day // 24).bfill()
    end = pd.Timestamp(start) + pd.Timedelta(days=int(days))
    have_days = (pd.Timestamp(start) - table["ds"].iloc[0]).days
    lag_days = [back for back in (1, 2, 3, 4, 5, 6, 7, 8, 14, 21) if back <= have_days // 3]
    forecaster = MLForecast(
        models={
            "forecast": LGBMRegressor(n_estimators=400, learning_rate=0.05, num_leaves=31, random_state=0, verbose=-1)
        },
        freq=pd.tseries.frequencies.to_offset(step),
        lags=[1, 2, 3, *(per_day * back for back in lag_days)],
        lag_transforms={1: [RollingMean(per_day), RollingMean(7 * per_day)], per_day: [RollingMean(per_day)]},
        date_features=[slot_of_day, "dayofweek", "dayofyear"],
        num_threads=2,
    )
    found = forecaster.cross_validation(
        table[table["ds"] < end],
        n_windows=int(days),
        h=per_day,
        step_size=per_day,
        refit=REFIT_DAYS,
        static_features=[],
    )
    found[["ds", "forecast"]].to_csv(out, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
