"""The ledger remembers, and only appends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smartgrid.rollout import ledger
from smartgrid.settings import get_settings
from smartgrid.store import migrate


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path))
    get_settings.cache_clear()
    migrate()
    yield
    get_settings.cache_clear()


def _append(version: int, model_name: str = "load") -> None:
    ledger.append(model_name, version, decided_by="ada", reason="r", run_id="run", mlflow_run_id=None)


def test_empty_ledger_has_nothing_in_force() -> None:
    assert ledger.current("load") is None
    assert ledger.history("load") == []


def test_lower_version_than_the_one_in_force_is_a_rollback() -> None:
    for version in (1, 3, 2, 4):
        _append(version)
    assert [(row.version, row.action) for row in ledger.history("load")] == [
        (4, "promote"),
        (2, "rollback"),
        (3, "promote"),
        (1, "promote"),
    ]
    in_force = ledger.current("load")
    assert in_force is not None
    assert (in_force.version, in_force.decided_by, in_force.run_id) == (4, "ada", "run")


def test_recording_the_version_in_force_again_adds_nothing() -> None:
    _append(1)
    _append(1)
    assert len(ledger.history("load")) == 1


def test_models_do_not_mix() -> None:
    _append(7, "other")
    _append(1)
    assert [row.version for row in ledger.history("load")] == [1]
