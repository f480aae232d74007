"""Promotion from a real MLflow server to a real model server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smartgrid.registry import versions as registry
from smartgrid.registry.errors import NothingRegistered
from smartgrid.registry.steps import register
from smartgrid.rollout import ledger
from smartgrid.rollout.errors import PromotionAborted
from smartgrid.rollout.steps import publish
from smartgrid.savedmodel.assets import KNOWN_ANSWERS_FILE, KnownAnswers, fingerprint
from smartgrid.serving import model_repository
from smartgrid.serving.client import connect
from smartgrid.settings import get_settings

pytestmark = pytest.mark.servers


@pytest.fixture
def model_server(home: Path, unused_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The embedded model server on the model repository of `home`."""
    port = unused_port
    monkeypatch.setenv("SMARTGRID_SERVING_REST_URL", f"http://127.0.0.1:{port}")
    get_settings.cache_clear()
    settings = get_settings()
    settings.model_base_path.mkdir(parents=True)
    command = [sys.executable, "-m", "tf_serving.embedded", "--port=0", f"--rest_api_port={port}"]
    command += [f"--model_name={settings.model_name}", f"--model_base_path={settings.model_base_path}"]
    socket = home / "grpc.sock"
    command += [f"--grpc_socket_path={socket}"]
    with (home / "model-server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=home, env=dict(os.environ))
    yield
    server.terminate()
    try:
        server.wait(timeout=15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _served_version() -> int:
    client = connect()
    try:
        statuses = client.status(get_settings().model_name)
        return max(status.version for status in statuses if status.available)
    finally:
        client.close()


def test_promotion_serves_the_model_and_is_recorded(
    home: Path, finished_run: Callable[..., str], model_server: None
) -> None:
    first = register(finished_run("run-1"))
    result = publish(decided_by="ada", reason="first model")
    assert (result["version"], result["action"], result["already_in_force"]) == (1, "promote", False)
    assert result["checked_rows"] == 8
    assert _served_version() == 1
    answers = KnownAnswers.read(Path(first["saved_model"]))
    client = connect()
    served_kw = client.predict(get_settings().model_name, answers.X)
    np.testing.assert_allclose(served_kw, answers.load_kw, rtol=1e-12)
    client.close()
    assert [(row.version, row.decided_by, row.reason, row.run_id) for row in ledger.history(first["model_name"])] == [
        (1, "ada", "first model", "run-1")
    ]
    assert registry.version(1).aliases == ("champion",)

    again = publish()
    assert again["already_in_force"]
    assert again["promotion_id"] == result["promotion_id"]

    register(finished_run("run-2", seed=2))
    assert publish()["previous_version"] == 1
    assert _served_version() == 2

    rollback = publish(1, decided_by="ada", reason="the new one is worse")
    assert rollback["action"] == "rollback"
    assert _served_version() == 1
    assert model_repository.versions(get_settings().model_base_path) == [1]
    assert [version.aliases for version in registry.versions()] == [(), ("champion",)]


def test_wrong_answers_of_the_server_stop_the_promotion(
    home: Path, finished_run: Callable[..., str], model_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(finished_run("run-1"))
    publish()
    second = register(finished_run("run-2", seed=2))
    # The known answers of another model: the server cannot give them.
    other = Path(second["saved_model"]).parent.parent / "run-1" / "saved_model" / KNOWN_ANSWERS_FILE
    (Path(second["saved_model"]) / KNOWN_ANSWERS_FILE).write_bytes(other.read_bytes())
    changed = fingerprint(Path(second["saved_model"]))
    from smartgrid.registry.tracking import client

    client().set_model_version_tag(second["model_name"], "2", registry.FINGERPRINT_TAG, changed)
    with pytest.raises(PromotionAborted, match="instead of"):
        publish(2)
    assert model_repository.versions(get_settings().model_base_path) == [1]
    assert [row.version for row in ledger.history(second["model_name"])] == [1]
    assert registry.version(1).aliases == ("champion",)


def test_server_that_is_away_leaves_everything_as_it_was(
    home: Path, finished_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMARTGRID_SERVING_REST_URL", "http://127.0.0.1:9")
    get_settings.cache_clear()
    name: Any = register(finished_run("run-1"))["model_name"]
    with pytest.raises(PromotionAborted) as caught:
        publish(available_within_s=2)
    assert caught.value.version == 1
    assert model_repository.versions(get_settings().model_base_path) == []
    assert ledger.history(name) == []
    assert registry.version(1).aliases == ("challenger",)


def test_version_that_was_never_registered_is_refused(home: Path) -> None:
    with pytest.raises(NothingRegistered) as caught:
        publish(12)
    assert caught.value.version == 12
