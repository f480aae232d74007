"""Settings with a ready store, and a home with the embedded data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from own_settings import Configure

from smartgrid.ingest.download import ensure_wheel
from smartgrid.ingest.steps import prepare_store
from smartgrid.settings import PROJECT_ROOT, Settings

# Read before `configure` takes the variables away: it is no setting of the project.
CACHE = Path(os.environ.get("SMARTGRID_TEST_CACHE") or PROJECT_ROOT / "var" / "test-cache")


@pytest.fixture
def configure(configure: Configure) -> Configure:
    """The shared `configure`, with the tables of the store made."""

    def _configure(**overrides: Any) -> Settings:
        settings = configure(**overrides)
        prepare_store()
        return settings

    return _configure


@pytest.fixture
def embedded_home(tmp_path: Path) -> Path:
    """The home of this test with the embedded data, which are downloaded and parsed once per machine."""
    ensure_wheel(CACHE)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    (home / "downloads").symlink_to(CACHE / "downloads", target_is_directory=True)
    return home
