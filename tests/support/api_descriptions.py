"""Where the published API descriptions of the providers are: too large, and not ours, to be part of this repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "SMARTGRID_API_DESCRIPTIONS"
# Read when imported: tests with settings of their own take every SMARTGRID_ variable out of the environment.
_NAMED = os.environ.get(VARIABLE)


def api_descriptions_folder() -> Path:
    """The folder named by SMARTGRID_API_DESCRIPTIONS, else `../shared/specs` beside the repository."""
    return Path(_NAMED).expanduser() if _NAMED else Path(__file__).parents[3] / "shared" / "specs"


def api_description(name: str) -> Path:
    """The path of one description, e.g. "twilio_api_v2010.json"; skips the calling test where it is absent."""
    path = api_descriptions_folder() / name
    if not path.is_file():
        pytest.skip(f"no API description {name} in {path.parent}: point {VARIABLE} at the folder that has it")
    return path
