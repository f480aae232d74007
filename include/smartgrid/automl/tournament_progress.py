"""How far the searches of a run are: the lines that the trainers reported so far. Needs no numeric library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRESS_FILE = "progress.jsonl"


def trials(run: Path) -> dict[str, list[dict[str, Any]]]:
    """Records {"at", "trial", "score", "left_s", "text"} by trainer, oldest first; only whole lines.

    Args:
        run: folder of the training run.
    """
    found = sorted((run / "candidates").glob(f"*/{PROGRESS_FILE}"))
    return {path.parent.name: list(_records(path)) for path in found}


def _records(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a process that was killed while it wrote
        if isinstance(record, dict) and "at" in record:
            yield {"trial": None, "score": None, "left_s": None, "text": "", **record}
