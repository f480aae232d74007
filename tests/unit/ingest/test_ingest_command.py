from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from smartgrid.errors import ConfigurationError
from smartgrid.ingest.commands import register
from smartgrid.settings import Settings
from smartgrid.store import session
from smartgrid.store.models import Batch

Configure = Callable[..., Settings]


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    register(made)
    return made


def _meters(tmp_path: Path) -> Path:
    path = tmp_path / "meters.csv"
    path.write_text("ts,kwh\n" + "".join(f"2024-01-0{day} 00:15,{day}\n" for day in (1, 2, 3)), encoding="utf-8")
    return path


def test_one_off_source_lands_everything_it_holds(app: typer.Typer, tmp_path: Path, configure: Configure) -> None:
    configure()
    options = ["--source", "csv", "--path", str(_meters(tmp_path)), "--zone", "PLANT", "--timezone", "Europe/Paris"]
    options += ["--column", "time=ts", "--column", "load=kwh", "--unit", "load=MWh", "--json"]
    result = CliRunner().invoke(app, ["ingest", *options], catch_exceptions=False)
    answer = json.loads(result.stdout)
    assert answer["dataset"]["rows"] == 3
    assert answer["dataset"]["window"]["start"] == "2023-12-31T23:15:00Z"
    with session() as store:
        batch = store.get_one(Batch, answer["batch_id"])
    assert (batch.status, batch.rows, batch.sha256) == ("landed", 3, answer["dataset"]["sha256"])
    assert batch.source.startswith("csv-")


def test_table_shows_what_landed(app: typer.Typer, tmp_path: Path, configure: Configure) -> None:
    configure()
    options = ["--source", "csv", "--path", str(_meters(tmp_path))]
    options += ["--start", "2024-01-01T00:00:00Z", "--end", "2024-01-03T00:00:00Z"]
    result = CliRunner().invoke(app, ["ingest", *options], catch_exceptions=False)
    lines = dict(
        line.split(maxsplit=1) for line in result.stdout.splitlines() if not line.startswith(("late", "weather"))
    )
    assert (lines["rows"], lines["zones"]) == ("2", "1")
    assert lines["window"] == "2024-01-01T00:00Z..2024-01-03T00:00Z"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--start", "2024-01-01T00:00:00Z"], "give both or none"),
        (["--start", "2024-01-01", "--end", "2024-01-02"], "needs an offset"),
        (["--column", "load"], "FIELD=NAME"),
        (["--column", "lode=kw"], "lode"),
        (["--unit", "load=kVA"], "kWh"),
        (["--source", "ftp"], "gefcom2012"),
        (["--source", "csv"], "source.path"),
    ],
)
def test_wrong_options_are_explained(app: typer.Typer, configure: Configure, options: list[str], problem: str) -> None:
    configure()
    with pytest.raises(ConfigurationError, match=problem):
        CliRunner().invoke(app, ["ingest", *options], catch_exceptions=False)
