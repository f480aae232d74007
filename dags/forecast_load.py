"""
### Forecast the load

Forecasts the next day of every zone through the model server and stores each hour with its method, model version and
the checksum of the data that it came from.

**Starts** on the asset `validated_measurements` or `serving_model`, or by hand.
**Makes** the asset `load_forecast`.

| parameter | meaning |
|---|---|
| `issue_time` | forecast as if issued then, e.g. `2007-12-05T00:00:00-05:00`; empty: now (data time) |

**Recover**: clear the task; the forecast of an issue time replaces itself. When the model server does not answer, the
previous version is used, then the weekly naive forecast; the method and the reason stand in every row and on the
Smart Grid page. Such rows stay as they are: clear the run to forecast again once the server is back.
"""

from airflow.sdk import Param, dag

from smartgrid.orchestration.assets import LOAD_FORECAST, SERVING_MODEL, VALIDATED_MEASUREMENTS
from smartgrid.orchestration.defaults import DEFAULT_ARGS, START_DATE, tags
from smartgrid.orchestration.step import step


@dag(
    schedule=(VALIDATED_MEASUREMENTS | SERVING_MODEL),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,
    default_args=DEFAULT_ARGS,
    params={
        "issue_time": Param(
            None, type=["null", "string"], format="date-time", title="Issue time", description="Empty: now (data time)."
        )
    },
    tags=tags("forecast"),
    doc_md=__doc__,
)
def forecast_load() -> None:
    step(
        "forecast",
        "forecasting.forecast",
        {"issue_time": "{{ params.issue_time }}"},
        inlets=[VALIDATED_MEASUREMENTS, SERVING_MODEL],
        outlets=[LOAD_FORECAST],
    )


forecast_load()
