"""Everything around a Power BI test: sign-in, service, settings of its own and timings in fractions of a second."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from entra_standin import CLIENT, SECRET, TENANT, Entra, running_entra
from powerbi_fake import DATASET, WORKSPACE, PowerBiFake, running_powerbi

from smartgrid.powerbi.refresh_flow import RefreshFlow
from smartgrid.settings import get_settings

# The service's minutes are tenths of a second here.
SCALED = {
    "POLL_S": "0.05", "COALESCE_S": "0", "SETTLE_S": "1", "OUTAGE_S": "8", "REFRESH_TIMEOUT_S": "20",
    "REQUEST_TIMEOUT_S": "2",
}  # fmt: skip


class World:
    """The two services, the environment that points to them, and a way to change it."""

    def __init__(self, entra: Entra, service: PowerBiFake, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.entra, self.service, self.home, self._patch = entra, service, home, patch

    @property
    def environment(self) -> dict[str, str]:
        return {
            "POWERBI_CLIENT_ID": CLIENT, "POWERBI_CLIENT_SECRET": SECRET, "POWERBI_TENANT_ID": TENANT,
            "POWERBI_WORKSPACE_ID": WORKSPACE, "POWERBI_AUTHORITY": self.entra.authority,
            "POWERBI_API_BASE": self.service.url, "POWERBI_CA_FILE": str(self.entra.ca_file),
            "SMARTGRID_HOME": str(self.home), "SMARTGRID_CONFIG": str(self.home / "empty.toml"),
            **{f"POWERBI_{name}": value for name, value in SCALED.items()},
        }  # fmt: skip

    def set(self, **values: Any) -> None:
        """`set(daily_budget=2)`: settings of this test."""
        for name, value in values.items():
            if value is None:
                self._patch.delenv(f"POWERBI_{name.upper()}", raising=False)
            else:
                self._patch.setenv(f"POWERBI_{name.upper()}", str(value))
        get_settings.cache_clear()

    def flow(self, dataset: str = DATASET) -> RefreshFlow:
        from smartgrid.powerbi.refresh import flow_for

        return flow_for(dataset)


@pytest.fixture(scope="module")
def entra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entra]:
    with running_entra(tmp_path_factory.mktemp("entra")) as running:
        yield running


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated store, made once and copied for every test."""
    from smartgrid.store import migrate
    from smartgrid.store.engine import engine, engine_for

    home = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMARTGRID_HOME", str(home))
        patch.delenv("SMARTGRID_STORE_URL", raising=False)
        get_settings.cache_clear()
        migrate()
        engine().dispose()
        engine_for.cache_clear()
    get_settings.cache_clear()
    return home / "store.db"


@pytest.fixture
def world(entra: Entra, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    entra.faults.clear()
    entra.life_s, entra.secret, entra.publishes_discovery = 3600.0, SECRET, True
    for name in list(os.environ):
        if name.startswith(("SMARTGRID_", "POWERBI_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    (home / "empty.toml").write_text("")
    with running_powerbi(entra.verify) as service:
        made = World(entra, service, home, monkeypatch)
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        from smartgrid.store.engine import engine, engine_for

        shutil.copy(empty_store, home / "store.db")
        yield made
        engine().dispose()
        engine_for.cache_clear()
    get_settings.cache_clear()
