"""Trials reach the log, the terminal and the page alike."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from smartgrid.automl.progress import ProgressFile, TrialReport, as_record, from_record, report_trial
from smartgrid.automl.tournament_progress import trials


def test_a_trial_is_a_line_of_text_with_its_numbers() -> None:
    lines: list[str] = []
    report_trial(lines.append, 3, 0.0351, 41.6, "two layers")
    report_trial(lines.append, 4, None, -2, "broke")
    assert lines == ["trial 3: error 0.0351 of level, 42 s left, two layers", "trial 4: failed, 0 s left, broke"]
    again = pickle.loads(pickle.dumps(lines[0]))
    assert isinstance(again, TrialReport)
    assert (again, again.trial, again.score, again.left_s) == (lines[0], 3, 0.0351, 41.6)


def test_records_give_back_what_was_reported() -> None:
    report = TrialReport("trial 7: ...", 7, 0.25, 3.0)
    again = from_record(json.loads(json.dumps(as_record(report))))
    assert isinstance(again, TrialReport)
    assert (str(again), again.trial, again.score, again.left_s) == ("trial 7: ...", 7, 0.25, 3.0)
    assert from_record(as_record("plain")) == "plain"
    assert as_record(TrialReport("odd", 1, float("nan"), 0.0))["score"] is None  # JSON has no NaN


def test_the_file_of_a_run_holds_every_line_for_the_page(tmp_path: Path) -> None:
    seen: list[str] = []
    file = ProgressFile(tmp_path / "candidates" / "tpot" / "progress.jsonl", seen.append)
    file("searching")
    report_trial(file, 1, 0.2, 10)
    report_trial(file, 2, 0.1, 5)
    assert len(seen) == 3
    assert file.trials == 2
    records = trials(tmp_path)["tpot"]
    assert [record["score"] for record in records] == [None, 0.2, 0.1]
    assert set(records[1]) == {"at", "trial", "score", "left_s", "text"}
