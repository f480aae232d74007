from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smartgrid.platform.supervisor_config import remove_socket
from smartgrid.settings import Settings, get_settings


@pytest.fixture
def home_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a platform of its own, in force for the whole process."""
    import os

    for name in list(os.environ):
        if name.startswith(("SMARTGRID_", "MLFLOW_", "TENSORFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    yield get_settings()
    if (tmp_path / "home" / "run" / "socket-path").exists():
        remove_socket(get_settings())
    get_settings.cache_clear()
