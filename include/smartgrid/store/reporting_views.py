"""Views for reports, with names and columns that stay: schema `reporting` on PostgreSQL, `reporting_...` on SQLite.

Tables may change with any release; a report reads these views only. `docs/reporting.md` and the semantic model of
`deploy/powerbi` are generated from `VIEWS`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, text

from smartgrid.fields import LOAD_KW, TEMPERATURE_C, ZONE, Field

SCHEMA = "reporting"


@dataclass(frozen=True)
class Column:
    """A column of a view: its SQL and what it means."""

    field: Field
    sql: str

    @property
    def name(self) -> str:
        return self.field.name


@dataclass(frozen=True)
class View:
    """One view. `source` is what follows FROM; `{day}` in SQL is the UTC day of a time. `key` makes a row unique."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    source: str
    key: tuple[str, ...]


def _column(sql: str, name: str, unit: str, dtype: str, meaning: str) -> Column:
    return Column(Field(name, unit, dtype, meaning), sql)  # type: ignore[arg-type]


def _like(sql: str, field: Field, name: str | None = None, meaning: str | None = None) -> Column:
    return _column(sql, name or field.name, field.unit, field.dtype, meaning or field.meaning)


_ERROR = "(f.load_kw - m.load_kw)"
_LATEST = (
    "forecasts f JOIN (SELECT zone, target_time, max(issue_time) AS issue_time FROM forecasts "
    "GROUP BY zone, target_time) n ON n.zone = f.zone AND n.target_time = f.target_time "
    "AND n.issue_time = f.issue_time"
)
_NEWEST_PATTERNS = (
    "(SELECT run_id FROM mining_runs WHERE kind = 'load_patterns' ORDER BY window_end DESC, created_at DESC LIMIT 1)"
)

FORECAST_VS_MEASUREMENT = View(
    "forecast_vs_measurement",
    "The newest forecast of each hour beside what was measured; without measurement until the hour is over.",
    (
        _like("f.zone", ZONE),
        _column("f.target_time", "target_time", "UTC", "timestamp[utc]", "Start of the hour that is forecast."),
        _column("{day}", "day", "UTC", "date", "Day of the hour that is forecast."),
        _column("f.issue_time", "issue_time", "UTC", "timestamp[utc]", "When the forecast was made (data time)."),
        _like("f.load_kw", LOAD_KW, "forecast_kw", "Forecast mean active power over the hour."),
        _like("f.load_kw_q10", LOAD_KW, "forecast_q10_kw", "Load that is exceeded in 90 % of cases, by the forecast."),
        _like("f.load_kw_q90", LOAD_KW, "forecast_q90_kw", "Load that is exceeded in 10 % of cases, by the forecast."),
        _like("m.load_kw", LOAD_KW, "measured_kw", "Measured mean active power over the hour."),
        _column(_ERROR, "error_kw", "kW", "float64", "Forecast minus measurement: positive is forecast too high."),
        _column(
            f"CASE WHEN m.load_kw > 0 THEN 100.0 * abs({_ERROR}) / m.load_kw END",
            "absolute_percent_error",
            "%",
            "float64",
            "Size of the error in percent of the measurement.",
        ),
        _like("m.temperature_c", TEMPERATURE_C),
        _column("f.method", "method", "-", "string", "stable_model, previous_version or weekly_naive."),
        _column("f.model_version", "model_version", "-", "int64", "Version of the model that answered."),
    ),
    f"{_LATEST} LEFT JOIN measured_loads m ON m.zone = f.zone AND m.time = f.target_time",
    ("zone", "target_time"),
)
ZONE_ERROR_DAILY = View(
    "zone_error_daily",
    "Error of the newest forecasts by zone and day, over the hours that are measured.",
    (
        _like("f.zone", ZONE),
        _column("{day}", "day", "UTC", "date", "Day of the forecast hours."),
        _column("count(*)", "hours", "-", "int64", "Hours with forecast and measurement."),
        _column(
            f"avg(CASE WHEN m.load_kw > 0 THEN 100.0 * abs({_ERROR}) / m.load_kw END)",
            "mape_percent",
            "%",
            "float64",
            "Mean absolute percentage error.",
        ),
        _column(f"avg(abs({_ERROR}))", "mae_kw", "kW", "float64", "Mean absolute error."),
        _column(f"avg({_ERROR})", "bias_kw", "kW", "float64", "Mean error: positive is forecast too high."),
        _column("avg(m.load_kw)", "measured_kw", "kW", "float64", "Mean measured load of these hours."),
    ),
    f"{_LATEST} JOIN measured_loads m ON m.zone = f.zone AND m.time = f.target_time GROUP BY f.zone, {{day}}",
    ("zone", "day"),
)
MODEL_VERSIONS = View(
    "model_versions",
    "The promotion ledger: which version served from when, by whom and why, and how it scored.",
    (
        _column("p.promotion_id", "promotion_id", "-", "int64", "Number of the decision, rising."),
        _column("p.decided_at", "decided_at", "UTC", "timestamp[utc]", "When it was decided."),
        _column("p.model_name", "model_name", "-", "string", "Name under which the model is served."),
        _column("p.version", "model_version", "-", "int64", "Version of the model."),
        _column("p.action", "action", "-", "string", "promote or rollback."),
        _column("p.decided_by", "decided_by", "-", "string", "Who decided."),
        _column("p.reason", "reason", "-", "string", "Why."),
        _column("t.winner", "trainer", "-", "string", "What trained it."),
        _column("t.window_start", "window_start", "UTC", "timestamp[utc]", "Start of the data it was trained on."),
        _column("t.window_end", "window_end", "UTC", "timestamp[utc]", "End of the data it was trained on."),
        _column(
            "s.mape_percent",
            "mape_percent",
            "%",
            "float64",
            "Mean absolute percentage error of the system in its backtest.",
        ),
        _column("s.mase", "mase", "-", "float64", "Mean absolute scaled error of the system in its backtest."),
    ),
    "promotions p LEFT JOIN training_runs t ON t.run_id = p.run_id LEFT JOIN backtest_scores s "
    "ON s.run_id = p.run_id AND s.candidate = t.winner AND s.zone = 'SYSTEM'",
    ("promotion_id",),
)
DATA_QUALITY = View(
    "data_quality",
    "What arrived in each batch, and what validation made of it.",
    (
        _column("b.batch_id", "batch_id", "-", "string", "Identifier of the batch."),
        _column("b.source", "source", "-", "string", "Where it came from."),
        _column("b.window_start", "window_start", "UTC", "timestamp[utc]", "Start of its measurements."),
        _column("b.window_end", "window_end", "UTC", "timestamp[utc]", "End of its measurements."),
        _column("b.ingested_at", "ingested_at", "UTC", "timestamp[utc]", "When it arrived."),
        _column("b.status", "status", "-", "string", "landed, validated or stopped."),
        _column("b.rows", "ingested_rows", "-", "int64", "Rows that arrived."),
        _column("b.accepted_rows", "accepted_rows", "-", "int64", "Rows that went to the lake."),
        _column("b.rejected_rows", "rejected_rows", "-", "int64", "Rows that are in quarantine, each with its reason."),
        _column(
            "CASE WHEN b.rows > 0 THEN 100.0 * b.rejected_rows / b.rows END",
            "rejected_percent",
            "%",
            "float64",
            "Share of rejected rows.",
        ),
    ),
    "batches b",
    ("batch_id",),
)
LOAD_CLUSTERS = View(
    "load_clusters",
    "The daily load shape that each zone has now, of the newest mining run.",
    (
        _like("z.zone", ZONE),
        _column("z.cluster", "cluster", "-", "string", "Letter of the shape; it stays with a shape from run to run."),
        _column("c.name", "cluster_name", "-", "string", "What the shape looks like."),
        _column("c.size", "cluster_zone_days", "-", "int64", "Zone-days with this shape."),
        _column("r.window_start", "window_start", "UTC", "timestamp[utc]", "Start of the mined data."),
        _column("r.window_end", "window_end", "UTC", "timestamp[utc]", "End of the mined data."),
    ),
    f"mining_zones z JOIN mining_runs r ON r.run_id = z.run_id LEFT JOIN mining_clusters c "
    f"ON c.run_id = z.run_id AND c.cluster = z.cluster WHERE z.run_id = {_NEWEST_PATTERNS}",
    ("zone",),
)
ZONES = View(
    "zones",
    "Every zone that has forecasts or measurements.",
    (_like("u.zone", ZONE),),
    "(SELECT zone FROM forecasts UNION SELECT zone FROM measured_loads) u",
    ("zone",),
)
VIEWS = (FORECAST_VS_MEASUREMENT, ZONE_ERROR_DAILY, MODEL_VERSIONS, DATA_QUALITY, LOAD_CLUSTERS, ZONES)


def qualified(view: View, dialect: str) -> str:
    """The name of `view` in SQL."""
    return f"{SCHEMA}.{view.name}" if dialect == "postgresql" else f"{SCHEMA}_{view.name}"


def drop_views(connection: Connection) -> None:
    """Before tables change that the views read."""
    for view in reversed(VIEWS):
        connection.execute(text(f"DROP VIEW IF EXISTS {qualified(view, connection.dialect.name)}"))


def create_views(connection: Connection) -> None:
    """All views, anew."""
    on_postgresql = connection.dialect.name == "postgresql"
    if on_postgresql:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    for view in VIEWS:
        connection.execute(text(_definition(view, connection.dialect.name)))
    if on_postgresql:
        for view in VIEWS:
            name = qualified(view, "postgresql")
            connection.execute(text(f"COMMENT ON VIEW {name} IS {_quoted(view.meaning)}"))
            for column in view.columns:
                meaning = f"{column.field.meaning} Unit: {column.field.unit}"
                connection.execute(text(f"COMMENT ON COLUMN {name}.{column.name} IS {_quoted(meaning)}"))
        connection.execute(
            text(f"COMMENT ON SCHEMA {SCHEMA} IS {_quoted(f'Views for reports. Definition {_digest()}')}")
        )


def views_are_current(connection: Connection) -> bool:
    """Whether the views are there as this release defines them."""
    if connection.dialect.name == "postgresql":
        comment = text("SELECT obj_description(oid) FROM pg_namespace WHERE nspname = :schema")
        found = connection.execute(comment, {"schema": SCHEMA}).scalar()
        count = text("SELECT count(*) FROM information_schema.views WHERE table_schema = :schema")
        there = connection.execute(count, {"schema": SCHEMA}).scalar()
        return bool(found and found.endswith(_digest()) and there == len(VIEWS))
    listed = text("SELECT name, sql FROM sqlite_master WHERE type = 'view' AND name LIKE :pattern")
    found_sql = {row.name: row.sql for row in connection.execute(listed, {"pattern": f"{SCHEMA}_%"})}
    return found_sql == {qualified(view, "sqlite"): _definition(view, "sqlite") for view in VIEWS}


def _definition(view: View, dialect: str) -> str:
    day = "CAST(f.target_time AT TIME ZONE 'UTC' AS date)" if dialect == "postgresql" else "date(f.target_time)"
    columns = ", ".join(f"{column.sql} AS {column.name}" for column in view.columns)
    query = f"SELECT {columns} FROM {view.source}".replace("{day}", day)  # noqa: S608 - no input from outside
    return f"CREATE VIEW {qualified(view, dialect)} AS {query}"


def _digest() -> str:
    return hashlib.sha256("".join(_definition(view, "postgresql") for view in VIEWS).encode()).hexdigest()[:12]


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''").replace(":", "\\:") + "'"


def views_markdown() -> str:
    """The body of `docs/reporting.md`."""
    parts = []
    for view in VIEWS:
        rows = [f"| `{c.name}` | {c.field.unit} | {c.field.dtype} | {c.field.meaning} |" for c in view.columns]
        head = f"## {view.name}\n\n{view.meaning} One row by {', '.join(f'`{name}`' for name in view.key)}.\n\n"
        parts.append(head + "| column | unit | type | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)
