"""The assets that connect the pipelines. An event carries a `DatasetRef`, or the small result that made it."""

from __future__ import annotations

from airflow.sdk import Asset

GROUP = "smartgrid"

MEASUREMENTS = Asset(name="measurements", uri="smartgrid://lake/landing", group=GROUP)
VALIDATED_MEASUREMENTS = Asset(name="validated_measurements", uri="smartgrid://lake/measurements", group=GROUP)
CANDIDATE_MODEL = Asset(name="candidate_model", uri="smartgrid://registry/candidate", group=GROUP)
SERVING_MODEL = Asset(name="serving_model", uri="smartgrid://serving/stable", group=GROUP)
LOAD_FORECAST = Asset(name="load_forecast", uri="smartgrid://store/forecasts", group=GROUP)
LOAD_PATTERNS = Asset(name="load_patterns", uri="smartgrid://store/load_patterns", group=GROUP)
EVENT_RULES = Asset(name="event_rules", uri="smartgrid://store/event_rules", group=GROUP)
# Somebody wants the outbox drained now, without waiting for the schedule.
NOTIFICATION_REQUESTED = Asset(name="notification_requested", uri="smartgrid://store/outbox", group=GROUP)
POWER_BI_DATASET = Asset(name="power_bi_dataset", uri="smartgrid://powerbi/datasets", group=GROUP)

ALL = (
    MEASUREMENTS,
    VALIDATED_MEASUREMENTS,
    CANDIDATE_MODEL,
    SERVING_MODEL,
    LOAD_FORECAST,
    LOAD_PATTERNS,
    EVENT_RULES,
    NOTIFICATION_REQUESTED,
    POWER_BI_DATASET,
)
