"""A change of the model repository is final or undone, never half."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartgrid.rollout.repository_change import RepositoryChange
from smartgrid.serving.model_repository import publish, versions


def _model(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "models" / "load"
    for version in (2, 3):
        publish(_model(tmp_path / f"source-{version}", f"model {version}"), base, version)
    return base


def test_promotion_keeps_the_versions_below(base: Path, tmp_path: Path) -> None:
    with RepositoryChange(_model(tmp_path / "new", "model 4"), base, 4, in_force=3) as change:
        change.keep()
    assert versions(base) == [2, 3, 4]


def test_failed_promotion_is_taken_back(base: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError),
        RepositoryChange(_model(tmp_path / "new", "model 4"), base, 4, in_force=3),
    ):
        raise RuntimeError("the server does not load it")
    assert versions(base) == [2, 3]


def test_leaving_without_keep_is_taken_back_too(base: Path, tmp_path: Path) -> None:
    with RepositoryChange(_model(tmp_path / "new", "model 4"), base, 4, in_force=3):
        pass
    assert versions(base) == [2, 3]


def test_rollback_takes_the_versions_above_away(base: Path, tmp_path: Path) -> None:
    with RepositoryChange(_model(tmp_path / "old", "model 1"), base, 1, in_force=3) as change:
        change.keep()
    assert versions(base) == [1]


def test_failed_rollback_restores_the_versions_above(base: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError),
        RepositoryChange(_model(tmp_path / "old", "model 1"), base, 1, in_force=3),
    ):
        raise RuntimeError("the server does not load it")
    assert versions(base) == [2, 3]
    assert (base / "3/saved_model.pb").read_text() == "model 3"


def test_version_in_force_survives_a_failed_repetition(base: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError),
        RepositoryChange(_model(tmp_path / "same", "model 3"), base, 3, in_force=3),
    ):
        raise RuntimeError("the server is away")
    assert versions(base) == [2, 3]
