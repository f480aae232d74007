"""Publishing versions: whole or not at all, never changed afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from smartgrid.serving import model_repository as repository
from smartgrid.serving.model_repository import NotASavedModel, VersionConflict, prune, publish, remove, versions


def saved_model(folder: Path, content: str = "graph") -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text("index")
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "models" / "load"


def test_published_version_has_the_same_files(tmp_path: Path, base: Path) -> None:
    source = saved_model(tmp_path / "source")
    target = publish(source, base, 3)
    assert target == base / "3"
    assert (target / "saved_model.pb").read_text() == "graph"
    assert (target / "variables" / "variables.index").read_text() == "index"
    assert (target / "assets").is_dir()
    assert versions(base) == [3]


def test_publishing_again_changes_nothing(tmp_path: Path, base: Path) -> None:
    source = saved_model(tmp_path / "source")
    before = publish(source, base, 1).stat()
    after = publish(source, base, 1).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_other_content_under_a_published_number_is_refused(tmp_path: Path, base: Path) -> None:
    publish(saved_model(tmp_path / "one"), base, 1)
    with pytest.raises(VersionConflict, match="new version number"):
        publish(saved_model(tmp_path / "two", "other graph"), base, 1)
    assert (base / "1" / "saved_model.pb").read_text() == "graph"


def test_a_folder_that_is_no_saved_model_is_refused(tmp_path: Path, base: Path) -> None:
    with pytest.raises(NotASavedModel):
        publish(tmp_path, base, 1)
    assert not base.exists()


@pytest.mark.parametrize("version", [0, -1])
def test_versions_are_positive(tmp_path: Path, base: Path, version: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        publish(saved_model(tmp_path / "source"), base, version)


def test_publisher_killed_before_the_rename_leaves_nothing_that_is_served(tmp_path: Path, base: Path) -> None:
    source = saved_model(tmp_path / "source")
    script = (
        "import os, sys, pathlib\n"
        "from smartgrid.serving import model_repository as repository\n"
        "os.rename = lambda *_: os._exit(9)\n"
        "repository.publish(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), 1)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(source), str(base)], check=False)
    assert killed.returncode == 9
    left_behind = list(base.parent.glob(".staging-*"))
    assert len(left_behind) == 1
    assert versions(base) == []

    publish(source, base, 1)
    assert versions(base) == [1]
    assert list(base.parent.glob(".staging-*")) == []


def test_failed_copy_leaves_no_stage(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    source = saved_model(tmp_path / "source")
    monkeypatch.setattr(os, "rename", disk_full)
    with pytest.raises(OSError, match="No space left"):
        publish(source, base, 1)
    assert list(base.parent.glob(".staging-*")) == []
    assert versions(base) == []


def test_a_stage_of_another_model_is_left_alone(tmp_path: Path, base: Path) -> None:
    other = base.parent / ".staging-price-abc"
    other.mkdir(parents=True)
    publish(saved_model(tmp_path / "source"), base, 1)
    assert other.is_dir()


def test_publishers_at_the_same_time_agree(tmp_path: Path, base: Path) -> None:
    source = saved_model(tmp_path / "source")
    results: list[Path] = []
    threads = [threading.Thread(target=lambda: results.append(publish(source, base, 5))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [base / "5"] * 4
    assert versions(base) == [5]


def test_only_integer_folders_are_versions(base: Path) -> None:
    for name in ("1", "10", "2", "x", ".staging-load-1", "1a"):
        (base / name).mkdir(parents=True)
    (base / "7").write_text("a file")
    assert versions(base) == [1, 2, 10]


def test_no_folder_means_no_versions(base: Path) -> None:
    assert versions(base) == []


def test_prune_keeps_the_newest(tmp_path: Path, base: Path) -> None:
    source = saved_model(tmp_path / "source")
    for version in (1, 2, 9, 10):
        publish(source, base, version)
    assert prune(base, keep=3) == [1]
    assert prune(base, keep=3) == []
    assert versions(base) == [2, 9, 10]


def test_prune_never_empties_the_folder(tmp_path: Path, base: Path) -> None:
    source = saved_model(tmp_path / "source")
    for version in (1, 2):
        publish(source, base, version)
    assert prune(base, keep=0) == [1]
    assert versions(base) == [2]


def test_remove_says_whether_there_was_one(tmp_path: Path, base: Path) -> None:
    publish(saved_model(tmp_path / "source"), base, 1)
    assert remove(base, 1)
    assert not remove(base, 1)
    assert list(base.parent.glob(".staging-*")) == []


def test_base_path_on_its_own_file_system_stages_inside(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "_stage_folder", lambda folder: folder)
    publish(saved_model(tmp_path / "source"), base, 1)
    assert versions(base) == [1]
    assert {child.name for child in base.iterdir()} == {"1", ".lock-load"}
