"""What a training run was made with: Python, packages, machine, revision of this project."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import distributions
from typing import Any

from smartgrid.automl.run_folder import folder, load_json, save_json
from smartgrid.settings import PROJECT_ROOT

ENVIRONMENT_FILE = "environment.json"


def environment() -> dict[str, Any]:
    """`python`, `platform`, `cpus`, `git_revision` (None without a repository), `git_changed`, `packages`."""
    revision = _git("rev-parse", "HEAD")
    found = {
        name.lower().replace("_", "-"): distribution.version
        for distribution in distributions()
        if (name := distribution.metadata["Name"])
    }
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "git_revision": revision,
        # Without this a revision would claim to be what ran although files were edited.
        "git_changed": None if revision is None else bool(_git("status", "--porcelain", "--untracked-files=no")),
        "packages": dict(sorted(found.items())),
    }


def record_environment(run_id: str) -> dict[str, Any]:
    """Write the environment to the run's folder; what an earlier attempt wrote stays."""
    path = folder(run_id) / ENVIRONMENT_FILE
    if not path.exists():
        save_json(path, environment())
    return recorded_environment(run_id)


def recorded_environment(run_id: str) -> dict[str, Any]:
    """What the run was made with; empty for runs that recorded nothing."""
    path = folder(run_id) / ENVIRONMENT_FILE
    recorded: dict[str, Any] = load_json(path) if path.is_file() else {}
    return recorded


def differences(recorded: dict[str, Any], now: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What is not as it was: name -> {"recorded", "now"}; a package that is missing on one side has None there.

    >>> differences({"python": "3.11.1", "packages": {"h2o": "1"}}, {"python": "3.12.0", "packages": {"h2o": "1"}})
    {'python': {'recorded': '3.11.1', 'now': '3.12.0'}}
    """
    before, after = dict(recorded.get("packages", {})), dict(now.get("packages", {}))
    for name in ("python", "platform", "git_revision", "git_changed"):
        before[name], after[name] = recorded.get(name), now.get(name)
    return {
        name: {"recorded": before.get(name), "now": after.get(name)}
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def _git(*arguments: str) -> str | None:
    """Standard output of git, or None where there is no git or no repository."""
    program = shutil.which("git")
    if program is None:
        return None
    done = subprocess.run(
        [program, "-C", str(PROJECT_ROOT), *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    return done.stdout.strip() if done.returncode == 0 else None
