"""Trials that AutoKeras swallows are found in its files."""

from __future__ import annotations

import json
from pathlib import Path

from smartgrid.automl.autokeras_trials import failed_trials


def test_failed_trials_are_told_with_the_last_line_of_their_error(tmp_path: Path) -> None:
    records = {
        "trial_0": {"status": "COMPLETED", "message": None},
        "trial_1": {"status": "INVALID", "message": "Traceback ...\n  File x\nModuleNotFoundError: tensorboard\n"},
        "trial_2": {"status": "FAILED", "message": "Oversized model: 900000 parameters. Skip model."},
        "trial_3": {"status": "INVALID"},
    }
    for name, record in records.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "trial.json").write_text(json.dumps(record), encoding="utf-8")
    (tmp_path / "trial_4").mkdir()
    (tmp_path / "trial_4" / "trial.json").write_text("{", encoding="utf-8")
    lines = failed_trials(tmp_path)
    assert lines[0] == "trial_1: INVALID, ModuleNotFoundError: tensorboard"
    assert lines[1] == "trial_2: FAILED, Oversized model: 900000 parameters. Skip model."
    assert lines[2] == "trial_3: INVALID, no reason given"
    assert lines[3].startswith("trial_4: its record cannot be read")
    assert len(lines) == 4
