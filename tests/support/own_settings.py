"""A home and settings of its own for every test."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from smartgrid.settings import Settings, get_settings, load_settings

Configure = Callable[..., Settings]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Settings of this test, also what `get_settings()` gives: `configure(source={...}, clock="wall")`."""
    for name in list(os.environ):
        if name.startswith("SMARTGRID_"):
            monkeypatch.delenv(name)
    config = tmp_path / "smartgrid.toml"
    config.write_text("", encoding="utf-8")
    monkeypatch.setenv("SMARTGRID_CONFIG", str(config))
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path / "home"))

    def _configure(**overrides: Any) -> Settings:
        for name, value in overrides.items():
            text = json.dumps(value, default=str) if isinstance(value, dict) else str(value)
            monkeypatch.setenv(f"SMARTGRID_{name.upper()}", text)
        get_settings.cache_clear()
        load_settings()
        return get_settings()

    yield _configure
    get_settings.cache_clear()
