"""What refresh_power_bi starts on, and which datasets it refreshes."""

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetAny
from airflow.sdk.exceptions import AirflowSkipException

from smartgrid.orchestration import assets

# The assets whose data the reports show.
SHOWN = ("load_forecast", "load_patterns", "model_health")


def shown_assets() -> Any:
    """Any of the assets that the reports show, as far as a pipeline makes them."""
    return AssetAny(*(asset for asset in assets.ALL if asset.name in SHOWN))


def datasets_to_refresh() -> list[str]:
    """The datasets of the connection, else of `POWERBI_DATASETS`.

    Raises:
        AirflowSkipException: Power BI is not set up; it says what to set.
    """
    from smartgrid.orchestration.powerbi_hook import PowerBIHook
    from smartgrid.powerbi.access import effective, missing_names

    values = effective(PowerBIHook().overrides())
    missing = missing_names(values)
    if not values.datasets:
        missing.append("POWERBI_DATASETS")
    if missing:
        raise AirflowSkipException(f"Power BI is not configured: set {', '.join(missing)}, or a connection.")
    return list(values.datasets)
