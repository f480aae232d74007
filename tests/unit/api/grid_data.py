"""A small lake and store with realistic rows: three zones, ten days, daily forecasts, one tournament."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl

from smartgrid import clock, lake
from smartgrid.settings import get_settings
from smartgrid.store import migrate, session
from smartgrid.store.models import BacktestScore, Batch, Forecast, Promotion, TrainingRun, Validation

NOW = datetime(2007, 12, 15, 5, tzinfo=UTC)
ZONES = {"Z1": 17_000.0, "Z2": 165_000.0, "Z10": 24_000.0}
HISTORY_DAYS = 24
SHA = "3" * 64


def load_kw(zone: str, time: datetime) -> float:
    """A winter day with two peaks, weekends lower, slow weather."""
    hour, day = (time.hour - 5) % 24, time.timetuple().tm_yday
    shape = 1 + 0.16 * math.sin((hour - 9) / 24 * 2 * math.pi) + 0.10 * math.cos((hour - 19) / 12 * 2 * math.pi)
    weather = 1 + 0.09 * math.sin(day / 3.3) + 0.012 * math.sin(day * 17 + hour * 5)
    return ZONES[zone] * shape * weather * (0.93 if time.weekday() >= 5 else 1.0)


def fill() -> None:
    settings = get_settings()
    migrate()
    start = NOW - timedelta(days=HISTORY_DAYS)
    times = [start + timedelta(hours=hour) for hour in range(HISTORY_DAYS * 24)]
    rows = [
        {"zone": zone, "time": time, "load_kw": load_kw(zone, time), "temperature_c": 4.0, "available_at": time}
        for zone in ZONES
        for time in times
    ]
    lake.upsert_measurements(settings.lake_root, pl.DataFrame(rows))
    clock.advance_to(NOW, settings)
    with session() as open_session:
        open_session.add_all([*_forecasts(), *_tournament(), *_validations(), _promotion()])


def _forecasts() -> list[Forecast]:
    found = []
    for back in range(6, -1, -1):
        issue = NOW - timedelta(days=back)
        fallback = back == 3
        for zone in ZONES:
            for hour in range(24):
                target = issue + timedelta(hours=hour)
                off = 1 + 0.02 * math.sin(hour + back)
                load = load_kw(zone, target - timedelta(days=7)) if fallback else load_kw(zone, target) * off
                found.append(
                    Forecast(
                        zone=zone,
                        target_time=target,
                        issue_time=issue,
                        load_kw=load,
                        load_kw_q10=None if fallback else 0.9 * load,
                        load_kw_q90=None if fallback else 1.1 * load,
                        method="weekly_naive" if fallback else "stable_model",
                        model_version=None if fallback else (1 if back > 3 else 2),
                        reason="the model server did not answer within 5 s" if fallback else "",
                        temperature="actual",
                        data_sha256=SHA,
                        created_at=issue,
                    )
                )
    return found


def _tournament() -> list[TrainingRun | BacktestScore]:
    scores = {"tpot": 4.31, "per_hour_ridge": 4.62, "weekly_naive": 9.87, "daily_naive": 8.12}
    run = TrainingRun(
        run_id="20071209T0500Z-5f2c",
        started_at=NOW - timedelta(days=6),
        window_start=NOW - timedelta(days=62),
        window_end=NOW - timedelta(days=6),
        data_sha256=SHA,
        temperature="actual",
        winner="tpot",
        gate_passed=True,
        verdict="tpot beats both naive forecasts and the serving version 1 (4.31 % against 4.62 %).",
        leaderboard=[
            *({"candidate": name, "zone": "SYSTEM", "mape_percent": value} for name, value in scores.items()),
            {"candidate": "h2o", "zone": "SYSTEM", "failed": "MemoryError: 6000 MB are not enough for this search"},
        ],
        mlflow_version=2,
    )
    zones = {"SYSTEM": 1.0, "Z1": 1.3, "Z2": 1.1, "Z10": 1.6}
    return [run] + [
        BacktestScore(
            run_id=run.run_id,
            candidate=name,
            zone=zone,
            mape_percent=value * factor,
            mase=value / 9.1,
            rmse_kw=value * 2_410,
            bias_kw=-310.0,
            rows=1344,
        )
        for zone, factor in zones.items()
        for name, value in scores.items()
    ]


def _validations() -> list[Batch | Validation]:
    start = NOW - timedelta(days=1)
    return [
        Batch(
            batch_id="gefcom2012-20071214T0500Z-9ac1",
            source="gefcom2012",
            window_start=start,
            window_end=NOW,
            uri="landing/x.parquet",
            sha256=SHA,
            rows=72,
            ingested_at=NOW,
            status="validated",
            accepted_rows=69,
            rejected_rows=3,
        ),
        Validation(
            batch_id="gefcom2012-20071214T0500Z-9ac1",
            validated_at=NOW,
            passed=True,
            ingested_rows=72,
            accepted_rows=69,
            rejected_rows=3,
            reasons={"load_spike": 1, "duplicate": 2},
            warnings=[{"code": "step_change", "message": "Z10: the daily mean is 2.8 times that of the week before."}],
            expectations=[],
        ),
    ]


def _promotion() -> Promotion:
    return Promotion(
        decided_at=NOW - timedelta(days=6),
        model_name=get_settings().model_name,
        version=2,
        action="promote",
        decided_by="airflow",
        reason="won the tournament",
    )
