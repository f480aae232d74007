"""The assets that connect the pipelines. An event carries a `DatasetRef`, or the small result that made it."""

from __future__ import annotations

from airflow.sdk import Asset

GROUP = "smartgrid"

MEASUREMENTS = Asset(name="measurements", uri="smartgrid://lake/landing", group=GROUP)
VALIDATED_MEASUREMENTS = Asset(name="validated_measurements", uri="smartgrid://lake/measurements", group=GROUP)
CANDIDATE_MODEL = Asset(name="candidate_model", uri="smartgrid://registry/candidate", group=GROUP)
SERVING_MODEL = Asset(name="serving_model", uri="smartgrid://serving/stable", group=GROUP)
LOAD_FORECAST = Asset(name="load_forecast", uri="smartgrid://store/forecasts", group=GROUP)

ALL = (MEASUREMENTS, VALIDATED_MEASUREMENTS, CANDIDATE_MODEL, SERVING_MODEL, LOAD_FORECAST)
