"""What reports aggregate: one DAX measure a line, on the table of its view."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A DAX measure; its name is unique in the whole model."""

    table: str
    name: str
    dax: str
    format: str
    meaning: str


def _sum(table: str, column: str) -> str:
    return f"SUM({table}[{column}])"


MEASURES = (
    Measure(
        "forecast_vs_measurement",
        "Forecast kW",
        _sum("forecast_vs_measurement", "forecast_kw"),
        "#,0",
        "Forecast load of the selected zones and hours.",
    ),
    Measure(
        "forecast_vs_measurement",
        "Measured kW",
        _sum("forecast_vs_measurement", "measured_kw"),
        "#,0",
        "Measured load of the selected zones and hours.",
    ),
    Measure(
        "forecast_vs_measurement",
        "MAPE %",
        "AVERAGE(forecast_vs_measurement[absolute_percent_error])",
        "0.00",
        "Mean absolute percentage error of the selected zones and hours.",
    ),
    Measure(
        "forecast_vs_measurement",
        "Bias kW",
        "AVERAGE(forecast_vs_measurement[error_kw])",
        "#,0",
        "Mean error: positive is forecast too high.",
    ),
    Measure(
        "zone_error_daily",
        "Daily MAPE %",
        "AVERAGE(zone_error_daily[mape_percent])",
        "0.00",
        "Mean of the daily percentage errors.",
    ),
    Measure(
        "zone_error_daily",
        "Daily bias kW",
        "AVERAGE(zone_error_daily[bias_kw])",
        "#,0",
        "Mean of the daily biases: positive is forecast too high.",
    ),
    Measure(
        "model_versions",
        "Backtest MAPE %",
        "AVERAGE(model_versions[mape_percent])",
        "0.00",
        "System error of the version in its backtest.",
    ),
    Measure("data_quality", "Ingested rows", _sum("data_quality", "ingested_rows"), "#,0", "Rows that arrived."),
    Measure(
        "data_quality", "Rejected rows", _sum("data_quality", "rejected_rows"), "#,0", "Rows that went to quarantine."
    ),
    Measure(
        "data_quality",
        "Rejected %",
        "100 * DIVIDE([Rejected rows], [Ingested rows])",
        "0.000",
        "Share of rows that went to quarantine.",
    ),
    Measure("load_clusters", "Zones in cluster", "COUNTROWS(load_clusters)", "#,0", "Zones that have this load shape."),
)
