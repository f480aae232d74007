"""MSTL + AutoETS of statsforecast, day ahead. Run by `accuracy.py` in an environment of its own.

    python accuracy_statsforecast.py SERIES.csv START DAYS OUT.csv

SERIES.csv has a row for every slot of every local day (`ds`, `y`, perhaps `temperature`). For each of DAYS midnights
from START the model is fitted on the last twelve weeks before it, with a daily and a weekly season, and forecasts one
day. It takes no temperature.
"""

from __future__ import annotations

import sys

import pandas as pd

HISTORY_DAYS = 84


def main(series: str, start: str, days: str, out: str) -> None:
    from statsforecast.models import MSTL, AutoETS

    load = pd.read_csv(series, parse_dates=["ds"]).set_index("ds")["y"]
    per_day = round(pd.Timedelta(days=1) / (load.index[1] - load.index[0]))
    parts = []
    for origin in pd.date_range(start, periods=int(days), freq="D"):
        past = load[(load.index < origin) & (load.index >= origin - pd.Timedelta(days=HISTORY_DAYS))]
        model = MSTL(season_length=[per_day, 7 * per_day], trend_forecaster=AutoETS(model="ZZN"))
        mean = model.forecast(y=past.to_numpy(dtype="float64"), h=per_day)["mean"]
        stamps = pd.date_range(origin, periods=per_day, freq=load.index[1] - load.index[0])
        parts.append(pd.DataFrame({"ds": stamps, "forecast": mean}))
    pd.concat(parts).to_csv(out, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
