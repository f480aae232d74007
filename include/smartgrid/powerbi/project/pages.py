"""The pages of the report: what an analyst and a forecaster look at in the morning."""

from __future__ import annotations

from dataclasses import dataclass

from smartgrid.powerbi.project.visuals import Visual

WIDTH, HEIGHT = 1280, 720


@dataclass(frozen=True)
class Page:
    """A page and its visuals."""

    title: str
    visuals: tuple[Visual, ...]


_F, _E, _M, _Q, _C = (
    "forecast_vs_measurement", "zone_error_daily", "model_versions", "data_quality", "load_clusters",
)  # fmt: skip

PAGES = (
    Page(
        "Forecast and measurement",
        (
            Visual("slicer", "Zone", (20, 20, 220, 330), {"Values": ["zones.zone"]}),
            Visual("slicer", "Day", (20, 370, 220, 330), {"Values": [f"{_F}.day"]}),
            Visual("card", "MAPE %", (260, 20, 240, 110), {"Values": ["MAPE %"]}),
            Visual("card", "Bias kW", (520, 20, 240, 110), {"Values": ["Bias kW"]}),
            Visual("card", "Forecast kW", (780, 20, 240, 110), {"Values": ["Forecast kW"]}),
            Visual("card", "Measured kW", (1040, 20, 220, 110), {"Values": ["Measured kW"]}),
            Visual(
                "lineChart",
                "Load by hour, kW: forecast and measurement",
                (260, 150, 1000, 550),
                {"Category": [f"{_F}.target_time"], "Y": ["Forecast kW", "Measured kW"]},
            ),
        ),
    ),
    Page(
        "Error by zone",
        (
            Visual("slicer", "Day", (20, 20, 220, 680), {"Values": [f"{_E}.day"]}),
            Visual(
                "clusteredBarChart",
                "Mean absolute percentage error by zone",
                (260, 20, 480, 680),
                {"Category": ["zones.zone"], "Y": ["Daily MAPE %"]},
            ),
            Visual(
                "lineChart",
                "Mean absolute percentage error by day",
                (760, 20, 500, 330),
                {"Category": [f"{_E}.day"], "Y": ["Daily MAPE %"]},
            ),
            Visual(
                "clusteredBarChart",
                "Bias by zone, kW: positive is forecast too high",
                (760, 370, 500, 330),
                {"Category": ["zones.zone"], "Y": ["Daily bias kW"]},
            ),
        ),
    ),
    Page(
        "Model versions",
        (
            Visual(
                "clusteredColumnChart",
                "Backtest error of each version, %",
                (20, 20, 1240, 280),
                {"Category": [f"{_M}.model_version"], "Y": ["Backtest MAPE %"]},
            ),
            Visual(
                "tableEx",
                "Promotion ledger",
                (20, 320, 1240, 380),
                {
                    "Values": [
                        f"{_M}.{column}"
                        for column in ("decided_at", "model_version", "action", "trainer", "decided_by", "reason")
                    ]
                },
            ),
        ),
    ),
    Page(
        "Data quality",
        (
            Visual("card", "Ingested rows", (20, 20, 400, 110), {"Values": ["Ingested rows"]}),
            Visual("card", "Rejected rows", (440, 20, 400, 110), {"Values": ["Rejected rows"]}),
            Visual("card", "Rejected %", (860, 20, 400, 110), {"Values": ["Rejected %"]}),
            Visual(
                "clusteredColumnChart",
                "Rejected rows by start of the batch",
                (20, 150, 1240, 260),
                {"Category": [f"{_Q}.window_start"], "Y": ["Rejected rows"]},
            ),
            Visual(
                "tableEx",
                "Batches",
                (20, 430, 1240, 270),
                {
                    "Values": [
                        f"{_Q}.{column}"
                        for column in (
                            "ingested_at",
                            "source",
                            "status",
                            "window_start",
                            "window_end",
                            "rejected_percent",
                        )
                    ]
                },
            ),
        ),
    ),
    Page(
        "Load clusters",
        (
            Visual(
                "clusteredBarChart",
                "Zones by daily load shape",
                (20, 20, 520, 680),
                {"Category": [f"{_C}.cluster_name"], "Y": ["Zones in cluster"]},
            ),
            Visual(
                "tableEx",
                "Load shape of each zone",
                (560, 20, 700, 680),
                {"Values": ["zones.zone", f"{_C}.cluster", f"{_C}.cluster_name", f"{_C}.window_end"]},
            ),
        ),
    ),
)
