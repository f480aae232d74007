"""`smartgrid validate` and `smartgrid quality ...`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

BatchOption = Annotated[str, typer.Option("--batch", help="Batch id, as `smartgrid quality list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this room."""
    app.command("validate")(validate_command)
    quality = typer.Typer(help="Batches, quarantine, replay, expectations.", no_args_is_help=True)
    app.add_typer(quality, name="quality")
    quality.command("list")(list_command)
    quality.command("show")(show_command)
    quality.command("export")(export_command)
    quality.command("replay")(replay_command)
    quality.command("suite")(suite_command)


def validate_command(
    batch: Annotated[str | None, typer.Option("--batch", help="Only this batch, even if validated before.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Validate landed batches: good rows go to the lake, bad ones to quarantine. Ends with 3 if a batch is stopped."""
    from smartgrid.errors import NothingToDo
    from smartgrid.quality.listing import latest_validation
    from smartgrid.quality.steps import validate

    try:
        result = validate(batch)
    except NothingToDo as nothing:
        typer.echo(json.dumps({"skipped": nothing.reason}) if as_json else nothing.reason)
        return
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    for entry in result["batches"]:
        _print_counts(entry)
    total = result["accepted"] + result["rejected"]
    typer.echo(f"total      {total:>10,} ingested {result['accepted']:>10,} accepted {result['rejected']:>8,} rejected")
    for warning in result["warnings"]:
        # With one batch its id is above already.
        text = warning.partition(": ")[2] if result["batch_count"] == 1 else warning
        typer.echo(f"warning    {text}")
    if result["warning_count"] > len(result["warnings"]):
        typer.echo(f"           and {result['warning_count'] - len(result['warnings'])} more")
    newest = latest_validation(result["batches"][-1]["batch_id"])
    if newest and newest.data_docs:
        typer.echo(f"data docs  {Path(newest.data_docs).as_uri()}")


def list_command(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List batches: rows, accepted, rejected, and how many rejected rows no replay has repaired."""
    from smartgrid.quality.listing import batches

    found = batches(limit)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo("No batches yet. Run `smartgrid ingest` first.")
        return
    width = max(len(one["batch_id"]) for one in found)
    typer.echo(f"{'batch':<{width}} {'status':<10} {'rows':>10} {'accepted':>10} {'rejected':>9} {'open':>7}")
    for one in found:
        cells = [_cell(one[name]) for name in ("rows", "accepted", "rejected", "open")]
        typer.echo(
            f"{one['batch_id']:<{width}} {one['status']:<10} {cells[0]:>10} {cells[1]:>10} {cells[2]:>9} {cells[3]:>7}"
        )


def show_command(
    batch: BatchOption,
    limit: Annotated[int, typer.Option(min=0, help="How many quarantined rows to print.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show what validation made of a batch: counts, reasons, warnings, quarantined rows with their evidence."""
    from smartgrid.quality.listing import describe

    found = describe(batch, limit)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"batch      {found['batch_id']} ({found['status']}), {found['window']}")
    _print_counts(found)
    for warning in found["warnings"]:
        typer.echo(f"warning    {warning['message']}")
    if found["data_docs"]:
        typer.echo(f"data docs  {found['data_docs']}")
    typer.echo(f"open       {found['open']:,} quarantined rows that no replay has repaired")
    for row in found["rows"]:
        typer.echo(f"  row {row['row_number']:<8} {row['zone']} {row['time']} {row['reason']}  {row['evidence']}")


def export_command(
    batch: BatchOption,
    csv: Annotated[Path, typer.Option("--csv", help="File to write.")],
) -> None:
    """Write the open quarantined rows of a batch as CSV, to be corrected and replayed."""
    from smartgrid.quality.listing import export

    typer.echo(f"{export(batch, csv):,} rows written to {csv}")


def replay_command(
    batch: BatchOption,
    file: Annotated[
        Path | None, typer.Option("--file", help="Corrected rows; without it the rows as they are.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Validate quarantined rows again; accepted ones replace what the lake has. Safe to repeat."""
    from smartgrid.errors import NothingToDo
    from smartgrid.quality.replay import replay

    try:
        outcome = replay(batch, file)
    except NothingToDo as nothing:
        typer.echo(json.dumps({"skipped": nothing.reason}) if as_json else nothing.reason)
        return
    if as_json:
        typer.echo(json.dumps(outcome, indent=2))
        return
    again = " (done before; nothing changed)" if outcome["repeated"] else ""
    typer.echo(
        f"{outcome['batch_id']}: {outcome['accepted']:,} accepted, {outcome['rejected']:,} rejected, "
        f"{outcome['open']:,} still in quarantine{again}"
    )


def suite_command(
    write: Annotated[bool, typer.Option("--write", help="Write the JSON files of the GX project.")] = False,
) -> None:
    """Print the Great Expectations suite derived from the registry of fields, or write it for review."""
    from smartgrid.quality.suite import suite, write_project

    if not write:
        typer.echo(json.dumps(suite(), indent=2))
        return
    for path in write_project():
        typer.echo(f"wrote {path}")


def _print_counts(entry: dict[str, Any]) -> None:
    accepted, rejected = entry["accepted"] or 0, entry["rejected"] or 0
    typer.echo(f"{entry['batch_id']}: {accepted + rejected:,} ingested, {accepted:,} accepted, {rejected:,} rejected")
    for reason, count in entry["reasons"].items():
        typer.echo(f"  {count:>10,} {reason}")


def _cell(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
