"""Where the results of a registered run are found."""

from __future__ import annotations

from smartgrid.registry.mlflow_registry import Registration
from smartgrid.registry.tracking import tracking_uri
from smartgrid.savedmodel import ExportReport
from smartgrid.settings import get_settings


def links(registration: Registration, report: ExportReport) -> dict[str, str]:
    """Names and addresses for the report of the run."""
    settings = get_settings()
    found = {
        "MLflow run": registration.mlflow_run_id,
        "Registered as": f"{settings.model_name} version {registration.mlflow_version}",
        "SavedModel": report.directory,
        "Export": f"largest relative difference {report.max_relative_difference:.1e} on {report.checked_rows:,} rows, "
        f"{report.size_bytes / 1e6:.1f} MB, {report.ms_per_row:.3f} ms a row",
    }
    uri = tracking_uri(settings)
    if uri.startswith("http"):
        found["MLflow page"] = f"{uri}/#/models/{settings.model_name}/versions/{registration.mlflow_version}"
    return found
