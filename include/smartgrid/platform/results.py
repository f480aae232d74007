"""What the platform forecasts and how good that is, as one table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rich.table import Table
from sqlalchemy import select

from smartgrid.lake.measurements import natural_sorted
from smartgrid.platform.pipeline_state import ServedModel, latest_forecast, served_model
from smartgrid.settings import Settings
from smartgrid.store import session
from smartgrid.store.models import BacktestScore, Forecast

SYSTEM = "SYSTEM"
NAIVES = ("daily_naive", "weekly_naive")
HORIZON = timedelta(hours=24)
BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class ZoneResult:
    """The next day of one zone, or of the system, and the backtest scores of its candidates in percent."""

    zone: str
    mean_kw: float
    peak_kw: float
    peak_time: datetime
    curve_kw: list[float]
    methods: list[str]
    model_version: int | None
    mape_percent: dict[str, float | None]


@dataclass(frozen=True)
class Results:
    """`zones` has the system total first. `winner`: name of the served candidate in the scores."""

    issue_time: datetime
    served: ServedModel | None
    winner: str | None
    zones: list[ZoneResult]
    by_model: bool

    @property
    def beats_both(self) -> bool | None:
        """Whether the served model beat both naive forecasts on the system total; None without scores."""
        scores = self.zones[0].mape_percent if self.zones else {}
        model = scores.get(self.winner or "")
        naive = [scores.get(name) for name in NAIVES]
        if model is None or any(score is None for score in naive):
            return None
        return all(model < score for score in naive if score is not None)


def read_results(settings: Settings) -> Results | None:
    """The latest forecast with the scores of the served model; None before the first forecast."""
    latest = latest_forecast()
    if latest is None:
        return None
    served = served_model(settings)
    with session() as open_session:
        rows = open_session.scalars(
            select(Forecast).where(Forecast.issue_time == latest.issue_time).order_by(Forecast.target_time)
        ).all()
        scores = (
            open_session.scalars(select(BacktestScore).where(BacktestScore.run_id == served.run_id)).all()
            if served and served.run_id
            else []
        )
    mape: dict[str, dict[str, float | None]] = defaultdict(dict)
    for score in scores:
        mape[score.zone][score.candidate] = score.mape_percent
    start = min(row.target_time for row in rows)
    day = [row for row in rows if row.target_time < start + HORIZON]
    names = natural_sorted({row.zone for row in day})
    zones = [_zone(name, [row for row in day if row.zone == name], mape[name]) for name in names]
    system = _zone(SYSTEM, day, mape[SYSTEM])
    return Results(
        issue_time=latest.issue_time,
        served=served,
        winner=served.winner if served else None,
        zones=[system, *zones] if len(zones) > 1 or SYSTEM in mape else zones,
        by_model=latest.by_model,
    )


def _zone(zone: str, rows: list[Forecast], mape: dict[str, float | None]) -> ZoneResult:
    total: dict[datetime, float] = defaultdict(float)
    for row in rows:
        total[row.target_time] += row.load_kw
    peak_time = max(total, key=lambda moment: total[moment])
    versions = {row.model_version for row in rows}
    return ZoneResult(
        zone=zone,
        mean_kw=sum(total.values()) / len(total),
        peak_kw=total[peak_time],
        peak_time=peak_time,
        curve_kw=[total[moment] for moment in sorted(total)],
        methods=sorted({row.method for row in rows}),
        model_version=versions.pop() if len(versions) == 1 else None,
        mape_percent=mape,
    )


def sparkline(values: list[float]) -> str:
    """The shape of a curve in one line.

    >>> sparkline([1.0, 2.0, 3.0])
    '▁▄█'
    """
    low, high = min(values), max(values)
    step = (high - low) or 1.0
    return "".join(BARS[int((value - low) / step * (len(BARS) - 1) + 1e-9)] for value in values)


def results_table(results: Results, timezone: ZoneInfo) -> Table:
    """The table that `make run` ends with. Hours are local to the grid."""
    issued = results.issue_time.astimezone(timezone)
    winner = results.winner or "model"
    table = Table(
        title=f"Load forecast for the next 24 h, issued {issued:%Y-%m-%d %H:%M} (data time)",
        caption="MAPE: of the backtest before the model was registered",
    )
    table.add_column("zone")
    for name in ("mean kW", "peak kW", "peak hour"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("24 h", no_wrap=True)
    table.add_column("forecast by", no_wrap=True)
    for name in (winner, *NAIVES):
        table.add_column(f"MAPE %\n{name}", justify="right", min_width=len(name))
    for zone in results.zones:
        version = f" v{zone.model_version}" if zone.model_version is not None else ""
        table.add_row(
            zone.zone,
            f"{zone.mean_kw:,.0f}",
            f"{zone.peak_kw:,.0f}",
            f"{zone.peak_time.astimezone(timezone):%H:%M}",
            sparkline(zone.curve_kw),
            ", ".join(zone.methods) + version,
            *(_percent(zone.mape_percent.get(name)) for name in (results.winner or "", *NAIVES)),
            style="bold" if zone.zone == SYSTEM else None,
            end_section=zone.zone == SYSTEM,
        )
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
