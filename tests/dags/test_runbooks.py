from __future__ import annotations

from pathlib import Path

from airflow_sandbox import ROOT

from smartgrid.orchestration import runbooks


def test_generated_documents_are_those_of_the_dags() -> None:
    changed = [str(path.relative_to(ROOT)) for path in runbooks.differing()]
    assert changed == [], "run: python -m smartgrid.orchestration.runbooks"


def test_difference_and_left_over_runbook_are_found_and_repaired(tmp_path: Path) -> None:
    (tmp_path / "dags").symlink_to(ROOT / "dags")
    runbooks.write(tmp_path)
    assert runbooks.differing(tmp_path) == []
    page = tmp_path / "docs/runbooks/forecast_load.md"
    page.write_text("changed by hand")
    (tmp_path / "docs/runbooks/gone.md").write_text("of a DAG that is no more")
    assert {path.name for path in runbooks.differing(tmp_path)} == {"forecast_load.md", "gone.md"}
    runbooks.write(tmp_path)
    assert runbooks.differing(tmp_path) == []
    assert page.read_text().count("# Forecast the load") == 1
