from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grid_data
import pytest
from fastapi import Header, HTTPException
from fastapi.testclient import TestClient

from smartgrid.api.ui import build_app
from smartgrid.settings import get_settings

TOKEN = "Bearer a-good-token"


def current_user(authorization: str | None = Header(default=None)) -> str:
    if authorization != TOKEN:
        raise HTTPException(401, "Not authenticated", headers={"WWW-Authenticate": "Bearer"})
    return "wanda"


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


@pytest.fixture
def filled_home(empty_home: Path) -> Path:
    grid_data.fill()
    return empty_home


@pytest.fixture
def anyone() -> TestClient:
    return TestClient(build_app(current_user))


@pytest.fixture
def viewer(anyone: TestClient) -> TestClient:
    anyone.headers["Authorization"] = TOKEN
    return anyone
