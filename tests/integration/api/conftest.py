"""The analytics API with real workers, once for all tests that do not break it."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

collect_ignore_glob: list[str] = []
if importlib.util.find_spec("fastapi") is None:
    collect_ignore_glob.append("test_*.py")
else:
    import httpx
    from airflow_standin import AirflowStandin, airflow_standin
    from served_app import headers, require, served

PREFIX = "/api/v1/analytics/data-mining"


@dataclass
class Api:
    """A served application: `client` has an operator's token."""

    app: Any
    url: str
    client: Any
    airflow: Any
    home: Path

    def mine(self, path: str, body: Any, **more: Any) -> Any:
        return self.client.post(f"{PREFIX}/{path}", json=body, **more)

    def warm(self) -> Any:
        """Wait until a worker is there; return the newest one."""
        deadline = time.monotonic() + 60
        while not self.app.state.pool.workers:
            assert time.monotonic() < deadline, self.app.state.pool.state
            time.sleep(0.05)
        return self.app.state.pool.workers[-1]


Serve = Callable[..., AbstractContextManager[Api]]


@contextmanager
def _serve(home: Path, **limits: Any) -> Iterator[Api]:
    from smartgrid.api.analytics.app import build_app
    from smartgrid.api.analytics.limits import AnalyticsLimits
    from smartgrid.settings import get_settings

    with airflow_standin() as airflow:
        # Only while the application reads its settings: other tests of this process have their own.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SMARTGRID_HOME", str(home))
            patch.setenv("SMARTGRID_AIRFLOW_API_URL", airflow.url)
            get_settings.cache_clear()
            app = build_app(require, AnalyticsLimits(**limits))
        get_settings.cache_clear()
        with served(app) as url, httpx.Client(base_url=url, headers=headers("operator"), timeout=120) as client:
            yield Api(app, url, client, airflow, home)


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    # Time enough for small work on a busy machine.
    with _serve(tmp_path_factory.mktemp("home"), answer_s=60) as api:
        api.warm()
        yield api


@pytest.fixture
def api(_shared: Api) -> Api:
    """One application for all tests; its stand-in for Airflow is as new."""
    standin: AirflowStandin = _shared.airflow
    standin.runs.clear()
    standin.conf.clear()
    standin.tokens.clear()
    standin.answer = None
    return _shared


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """An application of one's own: `with serve(answer_s=0.5) as api`."""
    return lambda **limits: _serve(tmp_path / "home", **limits)
