"""What the endpoints answer. Times carry the offset of the grid's local time; loads are in kW."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

SYSTEM = "SYSTEM"
Temperature = Literal["forecast", "actual", "none"]


class Zones(BaseModel):
    """Zones that can be asked for; `SYSTEM` is the sum over all zones."""

    zones: list[str] = Field(description="in natural order, SYSTEM first; empty before the first validated data")
    timezone: str = Field(description="IANA name of the grid's local time")
    clock: Literal["replay", "wall"] = Field(description="replay: data time advances with each ingest")
    now: datetime | None = Field(description="data time; null before the first ingest")


class Point(BaseModel):
    time: datetime = Field(description="start of the interval")
    load_kw: float = Field(description="mean power over the interval, kW")


class Band(BaseModel):
    time: datetime = Field(description="start of the interval")
    load_kw_q10: float = Field(description="quantile 0.1 of the forecast, kW")
    load_kw_q90: float = Field(description="quantile 0.9 of the forecast, kW")


class IssuedForecast(BaseModel):
    """Everything that was forecast at one issue time."""

    issue_time: datetime
    model_versions: list[int] = Field(description="versions that answered; empty where no model did")
    methods: dict[str, int] = Field(description="forecast hours by method, over all zones")
    reasons: list[str] = Field(description="why a method was not stable_model")
    temperature: Temperature | str = Field(description="what the model knew of the temperature")
    points: list[Point]
    band: list[Band] = Field(
        default_factory=list, description="empty for SYSTEM, and where no model with calibrated quantiles answered"
    )


class Forecasts(BaseModel):
    zone: str
    timezone: str
    now: datetime | None
    measured: list[Point]
    weekly_naive: list[Point] = Field(description="the measured load of the same hour one week before")
    issued: list[IssuedForecast] = Field(description="oldest first")
    missing_hours: int = Field(description="hours left out of the sum because a zone has no reading (SYSTEM only)")


class Candidate(BaseModel):
    candidate: str
    kind: Literal["model", "naive"]
    winner: bool
    mape_percent: float | None = Field(description="mean absolute percentage error, %")
    mase: float | None = Field(description="mean absolute scaled error; below 1 beats the weekly naive in-sample")
    rmse_kw: float | None
    bias_kw: float | None = Field(description="mean of forecast minus measured, kW")
    rows: int
    failure: str | None = Field(description="why there is no score")


class Leaderboard(BaseModel):
    """The newest tournament, best first."""

    run_id: str | None
    zone: str
    started_at: datetime | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    temperature: str | None = None
    winner: str | None = None
    gate_passed: bool = False
    verdict: str = ""
    mlflow_version: int | None = None
    candidates: list[Candidate] = []


class Warned(BaseModel):
    code: str
    message: str


class LastValidation(BaseModel):
    batch_id: str | None
    validated_at: datetime | None = Field(None, description="wall-clock time")
    window_start: datetime | None = None
    window_end: datetime | None = None
    source: str | None = None
    passed: bool | None = None
    ingested_rows: int = 0
    accepted_rows: int = 0
    rejected_rows: int = 0
    reasons: dict[str, int] = Field(default={}, description="rejected rows by reason code")
    warnings: list[Warned] = []


class Serving(BaseModel):
    """Which version serves, by the promotion ledger, and what the newest forecast was made with."""

    model_name: str
    version: int | None
    action: str | None = None
    decided_at: datetime | None = Field(None, description="wall-clock time")
    decided_by: str | None = None
    reason: str | None = None
    issue_time: datetime | None = Field(None, description="of the newest forecast")
    forecast_versions: list[int] = Field(default=[], description="versions that made the newest forecast")
    forecast_methods: dict[str, int] = Field(default={}, description="its forecast hours by method")
    fallback: bool = Field(False, description="whether any hour of it is not by the stable model")
    fallback_reasons: list[str] = []
    temperature: str | None = None


class BestTrial(BaseModel):
    elapsed_s: float = Field(description="seconds since the search said something first")
    error_share: float = Field(description="best mean absolute error so far, share of the level of the zone")


class Search(BaseModel):
    """One trainer of a tournament."""

    trainer: str
    state: Literal["running", "done", "failed"]
    trials: int
    best_error_share: float | None = Field(description="mean absolute error of load divided by level; null: no trial")
    left_s: float | None = Field(description="seconds left of the budget while it searches")
    said: str = Field(description="the last line, or why it failed")
    points: list[BestTrial] = Field(description="each improvement, oldest first")


class RunningTournament(BaseModel):
    run_id: str
    said_at: datetime
    searches: list[Search]


class Training(BaseModel):
    """Report, picture and searches of the newest judged tournament, and the one that runs now."""

    run_id: str | None = None
    has_picture: bool = False
    has_report: bool = False
    mlflow_run_id: str | None = None
    mlflow_version: int | None = None
    searches: list[Search] = []
    running: RunningTournament | None = None
