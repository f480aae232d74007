"""`smartgrid mine events` and `smartgrid mine transactions`: events of the grid as files, without a mining run."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import polars as pl

    from smartgrid.mining.outage_log import ImportedLog
    from smartgrid.settings import OutageLog, Settings

_Log = Annotated[
    Path | None, typer.Option("--outage-log", help="CSV, one outage a line; default: mining.outage_log.path.")
]
_Start = Annotated[
    list[str] | None, typer.Option("--start-column", help="Column of the begin; twice: of its date, of its time.")
]
_End = Annotated[list[str] | None, typer.Option("--end-column", help="Column of the end; twice: date and time.")]
_Duration = Annotated[str | None, typer.Option("--duration-column", help="Column with minutes, where there is no end.")]
_PlaceColumn = Annotated[str | None, typer.Option("--place-column", help="Column with the zone; '-': the whole grid.")]
_Item = Annotated[
    list[str] | None, typer.Option("--item", help="NAME=COLUMN or COLUMN: each value is an event; repeatable.")
]
_Number = Annotated[
    list[str] | None,
    typer.Option("--number", help="NAME=COLUMN:LIMIT,LIMIT: events NAME>=LIMIT; repeatable."),
]
_Timezone = Annotated[str | None, typer.Option("--timezone", help="Local time of the log; default: the grid's.")]
_TimezoneColumn = Annotated[str | None, typer.Option("--timezone-column", help="Column with the IANA zone of a row.")]
_TimeFormat = Annotated[str | None, typer.Option("--time-format", help="strptime format where times are not ISO 8601.")]
_Separator = Annotated[str | None, typer.Option("--separator", help="Column separator of the log.")]
_Days = Annotated[int | None, typer.Option(help="Local days of measurements; default: mining.days. 0: the log alone.")]
_EndOf = Annotated[str | None, typer.Option("--end", help="The measurements end at this local midnight (ISO 8601).")]
_Output = Annotated[Path | None, typer.Option("--output", help="Write CSV or Parquet here.")]
_Rejected = Annotated[Path | None, typer.Option("--rejected", help="Write rejected rows and reasons here, as CSV.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(mine_app: typer.Typer) -> None:
    mine_app.command("events")(events_command)
    mine_app.command("transactions")(transactions_command)


def events_command(
    outage_log: _Log = None,
    start_column: _Start = None,
    end_column: _End = None,
    duration_column: _Duration = None,
    place_column: _PlaceColumn = None,
    item: _Item = None,
    number: _Number = None,
    timezone: _Timezone = None,
    timezone_column: _TimezoneColumn = None,
    time_format: _TimeFormat = None,
    separator: _Separator = None,
    days: _Days = None,
    end: _EndOf = None,
    output: _Output = None,
    rejected: _Rejected = None,
    as_json: _Json = False,
) -> None:
    """Events derived from the measurements of the lake, and imported from an outage log."""
    settings, mapping = _mapping(
        outage_log, start_column, end_column, duration_column, place_column, item, number, timezone, timezone_column,
        time_format, separator,
    )  # fmt: skip
    found = _events(settings, mapping, days, end)
    _write(output, found.events)
    _write_rejected(rejected, found.log)
    counts = dict(found.events["event"].value_counts(sort=True).iter_rows())
    answer = {
        "events": found.events.height,
        "by_event": counts,
        "first_day": str(found.first) if found.first else None,
        "last_day": str(found.last) if found.last else None,
        "outage_log": _log_json(found.log),
    }
    if as_json:
        typer.echo(json.dumps(answer))
        return
    _say_log(found.log)
    for event, count in counts.items():
        typer.echo(f"{count:>7,}  {event}")
    typer.echo(f"{found.events.height:,} events" + (f", written to {output}" if output else ""))


def transactions_command(
    outage_log: _Log = None,
    start_column: _Start = None,
    end_column: _End = None,
    duration_column: _Duration = None,
    place_column: _PlaceColumn = None,
    item: _Item = None,
    number: _Number = None,
    timezone: _Timezone = None,
    timezone_column: _TimezoneColumn = None,
    time_format: _TimeFormat = None,
    separator: _Separator = None,
    days: _Days = None,
    end: _EndOf = None,
    place: Annotated[
        str | None, typer.Option(help="zone, grid or record (a row of the log); default: record without measurements.")
    ] = None,
    window_hours: Annotated[int, typer.Option(help="Hours of a window: a divisor of 24.")] = 24,
    output: _Output = None,
    rejected: _Rejected = None,
    as_json: _Json = False,
) -> None:
    """Events by window and place as transaction,item: the input of `mine apriori` and `mine fp-growth`."""
    from smartgrid.mining.transactions import build_transactions

    settings, mapping = _mapping(
        outage_log, start_column, end_column, duration_column, place_column, item, number, timezone, timezone_column,
        time_format, separator,
    )  # fmt: skip
    found = _events(settings, mapping, days, end)
    together = place or ("zone" if found.zones else "record")
    transactions = build_transactions(
        found.events,
        place=together,  # type: ignore[arg-type]  # checked there
        timezone=mapping.timezone or str(settings.grid_timezone),
        window_hours=window_hours,
        zones=found.zones or None,
        first=found.first,
        last=found.last,
        without=found.twins,
    )
    frame = transactions.frame()
    _write(output, frame)
    _write_rejected(rejected, found.log)
    answer = {
        "transactions": len(transactions),
        "empty_transactions": transactions.empty,
        "rows": frame.height,
        "items": frame["item"].n_unique(),
        "place": together,
        "window_hours": window_hours,
        "same_readings": found.twins,
        "outage_log": _log_json(found.log),
    }
    if as_json:
        typer.echo(json.dumps(answer))
        return
    _say_log(found.log)
    typer.echo(
        f"{len(transactions):,} transactions, {transactions.empty:,} of them without an event and so in no line; "
        f"{frame.height:,} lines, {answer['items']} items" + (f", written to {output}" if output else "")
    )


class _Events:
    """Events of the window, and what was found on the way."""

    def __init__(self, events: pl.DataFrame, log: ImportedLog | None) -> None:
        self.events, self.log = events, log
        self.zones: tuple[str, ...] = ()
        self.twins: dict[str, str] = {}
        self.first: date | None = None
        self.last: date | None = None


def _events(settings: Settings, mapping: OutageLog, days: int | None, end: str | None) -> _Events:
    from smartgrid import clock
    from smartgrid.mining.outage_log import read_outage_log

    log = read_outage_log(mapping, str(settings.grid_timezone)) if mapping.path is not None else None
    # A log can be mined where nothing was ever ingested.
    if days == 0 or (log is not None and days is None and end is None and not clock.started(settings)):
        from smartgrid.mining.errors import ParameterOutOfRange

        if log is None:
            raise ParameterOutOfRange("days", 0, "above 0 without an outage log")
        return _Events(log.events, log)
    return _measured(settings, log, days, end)


def _measured(settings: Settings, log: ImportedLog | None, days: int | None, end: str | None) -> _Events:
    import polars as pl

    from smartgrid.mining.daily_loads import same_readings
    from smartgrid.mining.events import derive_events, join_events
    from smartgrid.mining.events_vocabulary import load_vocabulary
    from smartgrid.mining.records import read_records
    from smartgrid.mining.run_folder import read_loads, window_of
    from smartgrid.store import migrate

    migrate()
    window, first, last = window_of(settings, days or settings.mining.days, end)
    inside, loads = read_loads(settings, window, first, last)
    vocabulary = load_vocabulary(settings.mining.vocabulary_file)
    events = derive_events(loads, read_records(settings, window, inside), vocabulary, str(settings.grid_timezone))
    if log is not None:
        told = log.events.filter((pl.col("end") > window.start) & (pl.col("start") < window.end))
        events = join_events(events, told)
    found = _Events(events, log)
    found.zones, found.twins, found.first, found.last = loads.zones, same_readings(loads), first, last
    return found


def _mapping(
    outage_log: Path | None,
    start: list[str] | None,
    end: list[str] | None,
    duration: str | None,
    place: str | None,
    item: list[str] | None,
    number: list[str] | None,
    timezone: str | None,
    timezone_column: str | None,
    time_format: str | None,
    separator: str | None,
) -> tuple[Settings, OutageLog]:
    """Settings, and the mapping in them with what the options override."""
    from pydantic import ValidationError

    from smartgrid.errors import ConfigurationError
    from smartgrid.settings import OutageLog, get_settings

    settings = get_settings()
    asked: dict[str, Any] = {
        "path": outage_log, "start": start, "end": end, "duration_minutes": duration, "place": place,
        "timezone": timezone, "timezone_column": timezone_column, "time_format": time_format, "separator": separator,
    }  # fmt: skip
    if item:
        asked["items"] = dict(_named("--item", one) for one in item)
    if number:
        asked["numbers"], asked["limits"] = _numbers(number)
    given = {name: value for name, value in asked.items() if value not in (None, [])}
    if place == "-":
        given["place"] = None
    try:
        return settings, OutageLog.model_validate(settings.mining.outage_log.model_dump() | given)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ConfigurationError(problems) from None


def _named(option: str, text: str) -> tuple[str, str]:
    """NAME=COLUMN, or a column that is its own name."""
    from smartgrid.errors import ConfigurationError

    name, equals, column = text.partition("=")
    name, column = name.strip(), (column if equals else name).strip()
    if not name or not column:
        raise ConfigurationError([f"{option} {text!r}: write NAME=COLUMN, or COLUMN"])
    return name, column


def _numbers(options: list[str]) -> tuple[dict[str, str], dict[str, list[float]]]:
    from smartgrid.errors import ConfigurationError

    columns: dict[str, str] = {}
    limits: dict[str, list[float]] = {}
    for text in options:
        mapped, _, cuts = text.rpartition(":")
        try:
            name, column = _named("--number", mapped)
            limits[name] = [float(cut) for cut in cuts.split(",")]
        except ValueError:
            raise ConfigurationError([f"--number {text!r}: write NAME=COLUMN:LIMIT,LIMIT"]) from None
        columns[name] = column
    return columns, limits


def _write(path: Path | None, frame: pl.DataFrame) -> None:
    if path is None:
        return
    import io

    from smartgrid.lake.files import write_bytes

    buffer = io.BytesIO()
    if path.suffix.lower() in {".parquet", ".pq"}:
        frame.write_parquet(buffer)
    else:
        frame.write_csv(buffer, datetime_format="%Y-%m-%dT%H:%M:%S%:z")
    write_bytes(str(path), buffer.getvalue())


def _write_rejected(path: Path | None, log: ImportedLog | None) -> None:
    if path is None or log is None:
        return
    import polars as pl

    schema = {"line": pl.Int64(), "reason": pl.String(), "detail": pl.String()}
    rows = [(row.line, row.reason, row.detail) for row in log.rejected]
    _write(path.with_suffix(".csv"), pl.DataFrame(rows, schema=schema, orient="row"))


def _log_json(log: ImportedLog | None) -> dict[str, Any] | None:
    if log is None:
        return None
    first = [{"line": row.line, "reason": row.reason, "detail": row.detail} for row in log.rejected[:20]]
    return {
        "rows": log.rows,
        "accepted": log.accepted,
        "rejected": len(log.rejected),
        "reasons": log.reasons,
        "first_rejected": first,
    }


def _say_log(log: ImportedLog | None) -> None:
    if log is None:
        return
    typer.echo(f"outage log: {log.rows:,} rows, {log.accepted:,} accepted, {len(log.rejected):,} rejected")
    for reason, rows in log.reasons.items():
        typer.echo(f"  rejected {rows:>6,}  {reason}")
    for row in log.rejected[:5]:
        typer.echo(f"  line {row.line}: {row.reason} ({row.detail})")
