"""Trials of a Keras Tuner search as its files record them: a search swallows the errors of failed trials."""

from __future__ import annotations

import json
from pathlib import Path

DONE = ("COMPLETED", "RUNNING")


def failed_trials(project: Path) -> list[str]:
    """One line for each trial in `project`/trial_*/trial.json that did not end well: its number and the last line of
    its error."""
    reasons = []
    for path in sorted(project.glob("trial_*/trial.json")):
        try:
            trial = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            reasons.append(f"{path.parent.name}: its record cannot be read ({error})")
            continue
        if trial.get("status") not in DONE:
            lines = [line.strip() for line in str(trial.get("message") or "").splitlines() if line.strip()]
            reasons.append(f"{path.parent.name}: {trial.get('status')}, {lines[-1] if lines else 'no reason given'}")
    return reasons
