"""A model repository of one candidate alone: what a model server can be pointed at before anything is promoted.

The served repository stays untouched; its highest version is the one that serves.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

FOLDER = "serving"


def candidate_repository(run: Path, saved_model: Path, model_name: str, version: int) -> Path:
    """The base path `<run>/serving/<model_name>`, which holds the SavedModel as `<version>`. Safe to repeat."""
    base = run / FOLDER / model_name
    place = base / str(version)
    if (place / "saved_model.pb").is_file():
        return base
    temporary = base / f".{version}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    base.mkdir(parents=True, exist_ok=True)
    shutil.copytree(saved_model, temporary, copy_function=_link)
    shutil.rmtree(place, ignore_errors=True)
    os.replace(temporary, place)
    return base


def _link(source: str, target: str) -> None:
    """A second name for the file where the file system has them: models may be large."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
