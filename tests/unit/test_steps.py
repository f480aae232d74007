"""Steps: named, small JSON in and out, a clear word when something does not fit."""

from __future__ import annotations

import importlib
import json

import pytest

from smartgrid.steps import STEPS, BadStepArguments, UnknownStep, run_step


@pytest.mark.parametrize("name", sorted(STEPS))
def test_every_named_step_exists(name: str) -> None:
    module, _, attribute = STEPS[name].partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))


def test_an_unknown_step_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownStep, match=r"ingest\.ingest"):
        run_step("ingest.everything", {})


def test_arguments_that_do_not_fit_are_refused_before_anything_runs() -> None:
    with pytest.raises(BadStepArguments, match="start") as caught:
        run_step("ingest.ingest", {"begin": "2024-01-01"})
    assert caught.value.exit_code == 2


def test_nothing_to_do_is_a_result_and_not_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    from smartgrid.settings import get_settings
    from smartgrid.store import migrate

    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path))
    get_settings.cache_clear()
    migrate()
    result = run_step("quality.validate", {})
    get_settings.cache_clear()
    assert "skipped" in result
    assert json.dumps(result)
