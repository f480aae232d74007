"""One settings object: environment variables with the prefix `SMARTGRID_`, then a TOML file, then defaults.

`SMARTGRID_CONFIG` names the TOML file (default: `smartgrid.toml` in the project folder, if it is there). Nested
values are written `SMARTGRID_SOURCE__KIND=csv` in the environment and `[source]` tables in TOML. Every wrong value is
reported at once.
"""

from __future__ import annotations

import os
import tomllib
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from smartgrid.channel_settings import Channels, WellKnownNames
from smartgrid.errors import ConfigurationError
from smartgrid.powerbi_settings import PowerBi, PowerBiNames

PROJECT_ROOT = Path(__file__).resolve().parents[2]

# Everything that can train a model; `smartgrid.automl.trainer` makes them, the form in Airflow lists them.
TRAINERS = ("per_hour_ridge", "tpot", "autokeras", "h2o")

# One trainer at a time, whichever run it belongs to: two would halve each other's budget. `platform up` makes this pool
# of Airflow with one slot; elsewhere `airflow pools set heavy_training 1 "one trainer at a time"` does.
TRAINING_POOL = "heavy_training"

Port = Annotated[int, Field(ge=1, le=65535)]
LoadUnit = Literal["W", "kW", "MW", "GW", "Wh", "kWh", "MWh", "GWh"]
TemperatureUnit = Literal["C", "F", "K"]


class Columns(BaseModel):
    """Which column of the source holds which field. None: the source has no such column."""

    model_config = ConfigDict(extra="forbid")

    time: str = Field("time", description="column with the start of each interval")
    zone: str | None = Field(None, description="column with the zone; None: one zone, named by `source.zone`")
    load: str | None = Field("load_kw", description="column with the load; None with `wide = true`")
    temperature: str | None = Field(None, description="column with the measured temperature")
    temperature_forecast: str | None = Field(None, description="column with the day-ahead temperature forecast")
    available_at: str | None = Field(None, description="column with the time at which a reading became known")


class Units(BaseModel):
    """Units of the source. Energy units (Wh, kWh, ...) mean energy per interval and become mean power."""

    model_config = ConfigDict(extra="forbid")

    load: LoadUnit = Field("kW", description="unit of the load column")
    temperature: TemperatureUnit = Field("C", description="unit of the temperature columns")


class Source(BaseModel):
    """Where measurements come from, and how their columns map to fields."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["gefcom2012", "bigdeal2022", "files", "csv", "parquet", "sql", "http"] = Field(
        "gefcom2012", description="csv and parquet are the same as files, limited to that suffix"
    )
    path: Path | None = Field(None, description="files: a file or a folder of CSV or Parquet files")
    url: SecretStr | None = Field(None, description="sql: SQLAlchemy URL; http: endpoint that answers JSON")
    query: str | None = Field(None, description="sql: a query; may use :start and :end (UTC)")
    records: str = Field("", description="http: dotted path to the list of records in the answer; empty: the answer")
    token: SecretStr | None = Field(None, description="http: bearer token")
    zone: str = Field("GRID", description="name of the zone where the source has no zone column")
    wide: bool = Field(False, description="one load column per zone: every unmapped numeric column is a zone")
    timezone: str = Field("UTC", description="time zone of times without offset; daylight saving is handled")
    interval_minutes: int = Field(60, ge=5, le=60, description="length of a measurement interval")
    time_format: str | None = Field(None, description="strptime format where times are not ISO 8601")
    time_is_interval_end: bool = Field(False, description="times mark the end of the interval instead of its start")
    decimal_comma: bool = Field(False, description="csv: numbers are written 1.234,5")
    separator: str = Field(",", min_length=1, max_length=1, description="csv: column separator")
    lookback_h: int = Field(
        72, ge=0, description="sql, http: hours before each window that are read again for late and corrected readings"
    )
    columns: Columns = Field(default_factory=Columns)
    units: Units = Field(default_factory=Units)

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        return known_timezone(value)


class Limits(BaseModel):
    """Thresholds of the validation. Defaults suit hourly zone loads; docs/validation.md explains each."""

    model_config = ConfigDict(extra="forbid")

    flat_line_h: int = Field(6, ge=2, description="identical readings over this many hours are a stuck meter")
    step_change_ratio: float = Field(1.8, gt=1, description="warn when the daily mean changes by this factor and stays")
    spike_ratio: float = Field(5.0, gt=1, description="reject a lone reading this many times its neighbours")
    temperature_jump_c: float = Field(20.0, gt=0, description="reject a lone temperature this far from its neighbours")
    completeness: float = Field(0.9, ge=0, le=1, description="warn when a zone-day has a smaller share of its readings")
    stop_rejected_share: float = Field(0.5, gt=0, le=1, description="stop when more of a batch is rejected")
    allow_negative_load: bool = Field(False, description="feeders with local generation may feed back")


class Training(BaseModel):
    """Defaults of `retrain_load_forecast`; its form overrides them per run."""

    model_config = ConfigDict(extra="forbid")

    trainers: list[str] = Field(default_factory=lambda: list(TRAINERS), min_length=1)
    budget_s: int = Field(
        60, ge=1, le=86_400, description="wall-clock seconds of search for each trainer that searches"
    )
    preset: Literal["smoke", "standard", "thorough"] | None = Field(
        None, description="total budget, days and rows of a tournament; None: `total_budget_s` or `budget_s`"
    )
    total_budget_s: int | None = Field(
        None, ge=1, le=604_800, description="seconds of search for all trainers together; wins over the preset's"
    )
    threads: int = Field(2, ge=1, le=256, description="threads of one trainer process")
    history_days: int = Field(1100, ge=60, description="days of history before the backtest window")
    selection_days: int = Field(
        28, ge=0, description="days before the test window on which the winner is chosen; 0: chosen on the test window"
    )
    backtest_days: int = Field(56, ge=7, description="days of the rolling-origin backtest")
    memory_limit_mb: int = Field(6000, ge=512, description="resident memory limit of one trainer with its children")
    seed: int = Field(20120101, description="seed of everything random")


class Outbox(BaseModel):
    """Delivery of notifications: schedules, leases, limits. docs/notifications.md explains each."""

    model_config = ConfigDict(extra="forbid")

    # The schedule of the Standard Webhooks reference implementation: 27.6 hours in all.
    retries_s: list[float] = Field(
        default_factory=lambda: [0, 5, 300, 1800, 7200, 18_000, 36_000, 36_000],
        min_length=1,
        description="seconds before each attempt",
    )
    retries_critical_s: list[float] = Field(
        default_factory=lambda: [0, 2, 5, 15, 30, 60, 120, 240, 300],
        min_length=1,
        description="seconds before each attempt at a critical message",
    )
    lifetime_s: float = Field(172_800, gt=0, description="a message that is not delivered by then is a dead letter")
    lifetime_critical_s: float = Field(900, gt=0, description="the same for a critical message: an old alarm is noise")
    lease_s: float = Field(20, ge=1, description="a worker that is silent for so long loses its deliveries to others")
    poll_s: float = Field(0.5, gt=0, le=60, description="how often an idle worker looks for due deliveries and events")
    worker: bool = Field(True, description="the notification service delivers; false: only the pipeline does")
    threads: int = Field(64, ge=1, le=512, description="messages that one worker sends at the same time")
    endpoint_concurrency: int = Field(8, ge=1, description="messages under way to one receiver at the same time")
    per_second: dict[str, float] = Field(
        default_factory=lambda: {"sms": 1.0},
        description="messages a second by channel (sms, email) or channel:platform (push:fcm); unlisted: unlimited",
    )
    disable_after_failing_s: float = Field(
        432_000, gt=0, description="a webhook endpoint that only failed for so long is disabled"
    )
    secret_overlap_s: float = Field(86_400, ge=0, description="how long the old secret signs after a rotation")
    keep_days: float = Field(90, gt=0, description="finished notifications are kept for so long")
    keep_idempotency_h: float = Field(72, gt=0, description="how long a repeated Idempotency-Key gets the same answer")
    keys: SecretStr | None = Field(
        None,
        description="Fernet keys that encrypt stored secrets, newest first, separated by commas; default HOME/secrets",
    )


class OutageLog(BaseModel):
    """A CSV file with one outage a line, and what its columns mean."""

    model_config = ConfigDict(extra="forbid")

    path: Path | None = Field(None, description="the file; empty: there is no outage log")
    separator: str = Field(",", min_length=1, max_length=1, description="column separator")
    start: list[str] = Field(
        default_factory=lambda: ["start"],
        min_length=1,
        max_length=2,
        description="column of the begin, or of date and time",
    )
    end: list[str] = Field(default_factory=list, max_length=2, description="column of the end, or date and time")
    duration_minutes: str | None = Field(None, description="column with the duration; taken where there is no end")
    time_format: str | None = Field(None, description="strptime format where times are not ISO 8601")
    timezone: str | None = Field(None, description="local time of the log; default the grid's")
    timezone_column: str | None = Field(None, description="column with the IANA time zone of each row")
    place_timezones: dict[str, str] = Field(default_factory=dict, description="time zone of a place, where they differ")
    place: str | None = Field("zone", description="column with the zone; None: the whole grid")
    items: dict[str, str] = Field(default_factory=dict, description="name = column: each value is an event name=value")
    numbers: dict[str, str] = Field(default_factory=dict, description="name = column with a number, cut by `limits`")
    limits: dict[str, list[float]] = Field(default_factory=dict, description="name = limits: events name>=limit")
    missing: list[str] = Field(
        default_factory=lambda: ["", "NA", "N/A", "NaN", "null", "-"], description="texts that mean no value"
    )

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str | None) -> str | None:
        return None if value is None else known_timezone(value)

    @field_validator("place_timezones")
    @classmethod
    def _known_timezones(cls, value: dict[str, str]) -> dict[str, str]:
        return {place: known_timezone(zone) for place, zone in value.items()}


class Mining(BaseModel):
    """Defaults of `mine_load_patterns` and `mine_event_rules`; their forms override some per run."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(364, ge=14, le=3660, description="days of the window, ending at data time; whole weeks")
    recent_days: int = Field(28, ge=7, description="days that say which cluster a zone is in now")
    min_support: float = Field(0.001, gt=0, le=1, description="smallest share of zone-days of an itemset")
    min_confidence: float = Field(0.25, gt=0, le=1, description="smallest confidence of a rule")
    max_q_value: float = Field(0.01, gt=0, le=1, description="largest corrected p value of a rule that is reported")
    min_rule_days: int = Field(5, ge=1, description="days that a rule has to rest on: zones share each day's weather")
    odd_zone_days: int = Field(3, ge=1, description="new odd days of a zone in a week that are an event")
    keep_runs: int = Field(60, ge=2, description="runs of each kind that the store keeps")
    vocabulary_file: Path | None = Field(None, description="YAML with the events; default: the packaged vocabulary")
    outage_log: OutageLog = Field(default_factory=OutageLog)


class Routing(BaseModel):
    """Who hears of what: reviewed files, explained in docs/notification-routing.md."""

    model_config = ConfigDict(extra="forbid")

    file: Path | None = Field(
        None, description="YAML with receivers and rules; default: the packaged smartgrid/notifications/routing.yaml"
    )
    topology: Path | None = Field(None, description="YAML with the zones of every substation and region; default: none")
    templates: Path | None = Field(None, description="folder of own message templates, which win over the packaged")
    deadline_h: float = Field(
        6.0, gt=0, description="people are told of a pipeline run that has not ended so long after it was queued"
    )


class Settings(BaseSettings):
    """All settings. `smartgrid config show` prints them with secrets hidden."""

    model_config = SettingsConfigDict(
        env_prefix="SMARTGRID_", env_nested_delimiter="__", extra="forbid", populate_by_name=True, frozen=True
    )

    home: Path = Field(PROJECT_ROOT / "var", description="everything made at run time")
    timezone: str | None = Field(None, description="local time of the grid for days and hours; default source.timezone")
    holidays: str | None = Field(None, description="country, or country-subdivision, of public holidays: US, DE-BW")
    source: Source = Field(default_factory=Source)
    limits: Limits = Field(default_factory=Limits)
    training: Training = Field(default_factory=Training)
    mining: Mining = Field(default_factory=Mining)
    outbox: Outbox = Field(default_factory=Outbox)
    channels: Channels = Field(default_factory=Channels)
    powerbi: PowerBi = Field(default_factory=PowerBi)
    routing: Routing = Field(default_factory=Routing)

    clock: Literal["replay", "wall"] = Field("replay", description="replay: data time advances per ingest run")
    replay_start: datetime | None = Field(
        None,
        description="history is loaded up to here; default: 2007-12-01 for gefcom2012, 2018-09-03 for bigdeal2022, "
        "else the last local midnight in the data",
    )
    replay_step_h: int = Field(24, ge=1, description="hours of data per ingest run after that")

    lake_url: str | None = Field(None, description="folder or fsspec URL of the lake; default HOME/lake")
    store_url: SecretStr | None = Field(None, description="SQLAlchemy URL of the results store; default SQLite in HOME")
    airflow_database_url: SecretStr | None = Field(None, description="Airflow metadata; default SQLite in HOME")
    mlflow_database_url: SecretStr | None = Field(None, description="MLflow backend; default SQLite in HOME")
    mlflow_tracking_uri: str | None = Field(
        None,
        validation_alias=AliasChoices("SMARTGRID_MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_URI", "mlflow_tracking_uri"),
        description="tracking server; default the local one",
    )

    model_name: str = Field("smartgrid-load-forecasting", pattern=r"^[A-Za-z0-9_-]+$")
    model_repository: Path | None = Field(None, description="base folder of served models; default HOME/models")
    serving_rest_url: str | None = Field(
        None,
        validation_alias=AliasChoices("SMARTGRID_SERVING_REST_URL", "TENSORFLOW_SERVING_URL", "serving_rest_url"),
        description="REST address of TensorFlow Serving; default the local server",
    )
    serving_grpc_target: str | None = Field(None, description="gRPC address; default the local server")

    step_runner: Literal["process", "docker"] = Field("process", description="how Airflow runs a step")
    step_python: Path = Field(PROJECT_ROOT / ".venv-ml/bin/python", description="Python of the step processes")
    step_image: str = Field("smartgrid-ml:latest", description="image of the steps with step_runner=docker")
    step_volume: str | None = Field(None, description="docker: host folder or volume that holds HOME; default HOME")
    step_network: str = Field("host", description="docker: network of the step containers")
    gates_file: Path | None = Field(
        None, description="YAML with the gates of a new model; default: the packaged smartgrid/evaluation/gates.yaml"
    )
    engine: Literal["local", "spark"] = Field(
        "local", description="what the mining runs on; spark needs deploy/install.sh spark"
    )
    spark_master: str = Field("local[*]", min_length=1, description="local[N], local[*] or the URL of a Spark cluster")
    spark_memory_mb: int = Field(
        2048, ge=512, description="heap of Spark's driver; with a local master that of all its work"
    )
    spark_options: dict[str, str] = Field(
        default_factory=dict, description="more of Spark's own configuration, as a JSON object"
    )
    reporting_days: int = Field(
        800, ge=1, description="days of measurements kept in the store for reports; the lake keeps all"
    )
    ingest_schedule: str | None = Field("0 * * * *", description="cron of ingest_measurements; empty: manual only")
    deliver_schedule: str | None = Field(
        "*/5 * * * *", description="cron of deliver_notifications; empty: only on its asset or by hand"
    )

    airflow_port: Port = 8080
    airflow_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="address of Airflow for people, in links of notifications; default: Airflow's own api.base_url",
    )
    airflow_worker_log_port: Port = 8793
    mlflow_port: Port = 5000
    serving_rest_port: Port = 8501
    serving_grpc_port: Port = 8500
    api_host: str = Field(
        "127.0.0.1", description="address on which the APIs of analytics_port and notifications_port listen"
    )
    airflow_api_url: str | None = Field(
        None, pattern=r"^https?://", description="address of Airflow's API for these APIs; default the local one"
    )
    analytics_port: Port = 5002
    notifications_port: Port = 5003

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str | None) -> str | None:
        return None if value is None else known_timezone(value)

    @field_validator("home", "model_repository", "step_python", "gates_file")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else Path(os.path.abspath(value.expanduser()))

    @field_validator("replay_start")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("needs a time zone, e.g. 2007-12-01T00:00:00-05:00")
        return value

    @field_validator("ingest_schedule", "deliver_schedule")
    @classmethod
    def _blank_is_none(cls, value: str | None) -> str | None:
        return value or None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings, WellKnownNames(settings_cls)]
        sources.append(PowerBiNames(settings_cls))
        path = config_path()
        if path is not None:
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=path))
        return tuple(sources)

    # What follows from the rest, so that no caller repeats a default.

    @property
    def grid_timezone(self) -> ZoneInfo:
        """Local time of the grid: days start at its midnight."""
        return ZoneInfo(self.timezone or self.source_timezone)

    @property
    def source_timezone(self) -> str:
        """Time zone of source times without offset. The embedded data keep standard time all year."""
        if self.source.kind in ("gefcom2012", "bigdeal2022") and "timezone" not in self.source.model_fields_set:
            return "Etc/GMT+5"
        return self.source.timezone

    @property
    def holiday_calendar(self) -> str | None:
        """Holiday calendar; the embedded data are of US utilities."""
        embedded = self.source.kind in ("gefcom2012", "bigdeal2022")
        return self.holidays or ("US" if embedded else None)

    @property
    def lake_root(self) -> str:
        return self.lake_url or str(self.home / "lake")

    @property
    def store_dsn(self) -> str:
        return self.store_url.get_secret_value() if self.store_url else f"sqlite:///{self.home / 'store.db'}"

    @property
    def tracking_uri(self) -> str:
        return self.mlflow_tracking_uri or f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def model_base_path(self) -> Path:
        """Folder of the versions of the served model."""
        return (self.model_repository or self.home / "models") / self.model_name

    @property
    def airflow_base_url(self) -> str:
        return (self.airflow_api_url or f"http://127.0.0.1:{self.airflow_port}").rstrip("/")

    @property
    def rest_url(self) -> str:
        return (self.serving_rest_url or f"http://127.0.0.1:{self.serving_rest_port}").rstrip("/")

    @property
    def grpc_target(self) -> str:
        return self.serving_grpc_target or f"127.0.0.1:{self.serving_grpc_port}"


def known_timezone(value: str) -> str:
    """Return `value` if it names an IANA time zone, else raise ValueError."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown time zone {value!r}; use an IANA name such as Europe/Paris") from None
    return value


def config_path() -> Path | None:
    """The TOML file in force, or None."""
    named = os.environ.get("SMARTGRID_CONFIG")
    if named:
        return Path(named).expanduser()
    default = PROJECT_ROOT / "smartgrid.toml"
    return default if default.exists() else None


def load_settings(**overrides: Any) -> Settings:
    """Read the settings anew.

    Raises:
        ConfigurationError: with one line per wrong value, unknown names of the environment included.
    """
    problems: list[str] = []
    path = config_path()
    if path is not None:
        if not path.is_file():
            raise ConfigurationError([f"SMARTGRID_CONFIG: no such file {path}"])
        try:
            tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError([f"{path}: not valid TOML: {error}"]) from None
    problems.extend(_unknown_variables())
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            where = ".".join(str(part) for part in detail["loc"])
            name = "SMARTGRID_" + where.replace(".", "__").upper() if where else "settings"
            problems.append(f"{name} ({where}): {detail['msg'].removeprefix('Value error, ')}")
        raise ConfigurationError(problems) from None
    if problems:
        raise ConfigurationError(problems)
    return settings


def _unknown_variables() -> list[str]:
    """A misspelt variable would be ignored in silence: name it."""
    known = {f"SMARTGRID_{name}".upper() for name in Settings.model_fields} | {
        "SMARTGRID_CONFIG",
        "SMARTGRID_API_DESCRIPTIONS",  # where the tests find the providers' published descriptions
    }
    nested = tuple(
        f"SMARTGRID_{name}__".upper()
        for name in ("source", "limits", "training", "mining", "channels", "outbox", "powerbi", "routing")
    )
    return [
        f"{name}: no such setting; `smartgrid config show` lists them"
        for name in sorted(os.environ)
        if name.startswith("SMARTGRID_") and name not in known and not name.startswith(nested)
    ]


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()
