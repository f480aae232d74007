"""One percent of the rows broken in seventeen ways: each is quarantined with its reason, no good row is lost."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from smartgrid import lake
from smartgrid.cli import app
from smartgrid.errors import NothingToDo
from smartgrid.quality import steps
from smartgrid.quality.quarantine import read_quarantine

HOURS = 24 * 90
ZONES = 6


def broken_rows(frame: pl.DataFrame, per_way: int, seed: int) -> tuple[list[dict], dict[int, str]]:
    """Text rows of a CSV, and line -> reason. Good rows may stand right beside broken ones."""
    random = np.random.default_rng(seed)
    rows = [
        {
            "time": row["time"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "zone": row["zone"],
            "load_kw": f"{row['load_kw']:.3f}",
            "temperature_c": f"{row['temperature_c']:.2f}",
        }
        for row in frame.iter_rows(named=True)
    ]
    # Within a zone, away from its edges.
    inner = [i for i in range(len(rows)) if 30 <= i % HOURS < HOURS - 30]
    picked = iter(random.permutation(inner).tolist())
    taken: set[int] = set()
    reasons: dict[int, str] = {}

    def pick() -> int:
        return next(i for i in picked if i not in taken and not taken.intersection(range(i - 9, i + 10)))

    def change(reason: str, change_row) -> None:
        for _ in range(per_way):
            at = pick()
            taken.add(at)
            change_row(rows[at])
            reasons[at] = reason

    def scale(factor):
        return lambda row: row.update(load_kw=f"{float(row['load_kw']) * factor:.3f}")

    change("zone_missing", lambda row: row.update(zone=""))
    change("time_missing", lambda row: row.update(time=""))
    change("time_unparseable", lambda row: row.update(time="31/02/2021 99:00"))
    change("time_not_on_grid", lambda row: row.update(time=row["time"].replace(":00:00Z", ":13:00Z")))
    change("time_in_future", lambda row: row.update(time=row["time"].replace("2021", "2099")))
    change("load_missing", lambda row: row.update(load_kw=""))
    change("load_not_a_number", lambda row: row.update(load_kw="#REF!"))
    change("load_negative", scale(-1))
    change("load_out_of_range", scale(1000))
    change("load_spike", scale(8))
    change("load_spike", scale(0.05))
    change("load_zero", lambda row: row.update(load_kw="0"))
    change("temperature_not_a_number", lambda row: row.update(temperature_c="mild"))
    change("temperature_implausible", lambda row: row.update(temperature_c="-273.15"))
    change("temperature_jump", lambda row: row.update(temperature_c=f"{float(row['temperature_c']) + 35:.2f}"))
    stuck = pick()
    for at in range(stuck, stuck + 8):
        taken.add(at)
        rows[at]["load_kw"] = rows[stuck]["load_kw"]
        if at > stuck:
            reasons[at] = "flat_line"
    for reason in ("duplicate", "duplicate_conflict"):
        for _ in range(per_way):
            copy = dict(rows[(at := pick())])
            taken.add(at)
            if reason == "duplicate_conflict":
                copy["load_kw"] = f"{float(copy['load_kw']) * 1.05:.3f}"
            reasons[len(rows)] = reason
            rows.append(copy)
    return rows, reasons


def good_rows(frame, reasons):
    return frame.with_row_index("at").filter(~pl.col("at").is_in(list(reasons))).sort("zone", "time")


@pytest.mark.parametrize("seed", range(3))
def test_each_broken_row_is_quarantined_with_its_reason_through_landing(land, make_readings, settings, seed):
    frame = make_readings(zones=ZONES, hours=HOURS, seed=seed).with_columns(pl.col("load_kw").round(3))
    text, expected = broken_rows(frame, per_way=9, seed=seed)
    landing = pl.DataFrame(text).with_row_index("row_number").with_columns(
        zone=pl.col("zone").replace("", None),
        raw_time=pl.when(pl.col("time").str.contains("/")).then("time"),
        time=pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC", strict=False),
        raw_load=pl.when(pl.col("load_kw") == "#REF!").then("load_kw"),
        load_kw=pl.col("load_kw").cast(pl.Float64, strict=False),
        raw_temperature=pl.when(pl.col("temperature_c") == "mild").then("temperature_c"),
        temperature_c=pl.col("temperature_c").cast(pl.Float64, strict=False),
    ).with_columns(available_at=pl.lit(frame["time"].max()))  # fmt: skip
    window = lake.Window(frame["time"].min(), frame["time"].max() + timedelta(hours=1))
    land("b1", landing, window)
    result = steps.validate()
    quarantined = read_quarantine(settings.lake_root, "b1")
    assert dict(zip(quarantined["row_number"], quarantined["reason"], strict=True)) == expected
    assert result["accepted"] == landing.height - len(expected)
    in_lake = lake.read_measurements(settings.lake_root)
    assert in_lake["load_kw"].to_list() == good_rows(frame, expected)["load_kw"].to_list()


def test_the_same_through_the_commands(make_readings, settings, tmp_path):
    pytest.importorskip("smartgrid.ingest.commands")
    from typer.testing import CliRunner

    from smartgrid.cli import ROOMS, importlib

    frame = make_readings(zones=ZONES, hours=HOURS).with_columns(pl.col("load_kw").round(3))
    text, expected = broken_rows(frame, per_way=9, seed=5)
    (tmp_path / "source").mkdir()
    half = len(text) // 2
    for name, part in (("a.csv", text[:half]), ("b.csv", text[half:])):
        pl.DataFrame(part).write_csv(tmp_path / "source" / name)
    for room in ("smartgrid.ingest.commands", "smartgrid.quality.commands"):
        assert room in ROOMS
        importlib.import_module(room).register(app)
    runner = CliRunner()
    accepted, rejected = 0, 0
    for _ in range(4):  # history, then day by day until the source has no more
        done = runner.invoke(app, ["ingest"])
        if isinstance(done.exception, NothingToDo):
            break
        assert done.exit_code == 0, done.output
        done = runner.invoke(app, ["validate", "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        result = json.loads(done.stdout)
        accepted, rejected = accepted + result["accepted"], rejected + result["rejected"]
    batches = json.loads(runner.invoke(app, ["quality", "list", "--json"], catch_exceptions=False).stdout)
    reasons = []
    for batch in batches:
        show = ["quality", "show", "--batch", batch["batch_id"], "--limit", "10000", "--json"]
        reasons += [row["reason"] for row in json.loads(runner.invoke(app, show).stdout)["rows"]]
    counts = pl.Series(reasons).value_counts().sort("")
    wanted = pl.Series(list(expected.values())).value_counts().sort("")
    assert counts.rows() == wanted.rows()
    assert rejected == len(expected)
    assert accepted == len(text) - len(expected)
    in_lake = lake.read_measurements(settings.lake_root)
    assert in_lake["load_kw"].to_list() == good_rows(frame, expected)["load_kw"].to_list()
