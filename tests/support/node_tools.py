"""Programs of npm that the tests talk to: installed once with `npm ci` beside `node/package.json`, then started on free
ports of loopback.

A test that needs one is skipped, with the reason, where there is no Node.js.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest
from local_server import LocalServer
from serving_process import free_port

NODE_FOLDER = Path(__file__).parent / "node"
NODE_MODULES = NODE_FOLDER / "node_modules"
INSTALL_WITHIN_S = 280


class NodeToolsMissing(Exception):
    """There is no Node.js here, or its packages cannot be installed."""


def node_modules() -> Path:
    """The installed packages; skips the calling test, with the reason, where they cannot be had."""
    try:
        return installed_packages()
    except NodeToolsMissing as missing:
        pytest.skip(str(missing))


@lru_cache(maxsize=1)
def installed_packages() -> Path:
    """Install the packages of the lock file, unless they are there already.

    Raises:
        NodeToolsMissing: without `node` and `npm`, or when npm fails.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NodeToolsMissing(f"{program} is not installed: Node.js 20 or newer runs the other side of this test")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < 20:
        raise NodeToolsMissing(f"Node.js is {version}: 20 or newer runs the other side of this test")
    wanted = hashlib.sha256(
        (NODE_FOLDER / "package.json").read_bytes() + (NODE_FOLDER / "package-lock.json").read_bytes()
    ).hexdigest()
    stamp = NODE_MODULES / ".installed-lock.sha256"
    with (NODE_FOLDER / ".install-lock").open("w") as lock:
        # Several test processes may come here at once; the first installs, the others find it done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted:
            return NODE_MODULES
        try:
            done = subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                cwd=NODE_FOLDER, capture_output=True, text=True, timeout=INSTALL_WITHIN_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise NodeToolsMissing(f"npm ci did not end within {INSTALL_WITHIN_S} s") from None
        if done.returncode != 0:
            raise NodeToolsMissing(f"npm ci failed: {done.stderr.strip()[-400:]}")
        stamp.write_text(wanted)
    return NODE_MODULES


def node_server(script: Path, log: Path, *arguments: str, port: int, preload: bool = True, **env: str) -> LocalServer:
    """`node SCRIPT ARGUMENTS`, ready when `port` accepts connections. It listens on loopback, whatever it asks for."""
    command = ["node", "--max-old-space-size=512"]
    if preload:
        command += ["--require", str(NODE_FOLDER / "loopback-only.cjs")]
    return LocalServer(
        [*command, str(script), *arguments], log, port=port, env={**os.environ, "NODE_ENV": "production", **env}
    )


def prism_mock(description: Path, log: Path, *flags: str) -> LocalServer:
    """Prism as a mock of an OpenAPI description: it answers with the examples and refuses what the description does
    not allow (422, or 401 without authentication)."""
    return _prism("mock", log, *flags, str(description))


def prism_proxy(description: Path, upstream: str, log: Path, *flags: str) -> LocalServer:
    """Prism between a client and `upstream`: a request or an answer that the description does not allow is an error."""
    return _prism("proxy", log, "--errors", *flags, str(description), upstream)


def _prism(mode: str, log: Path, *arguments: str) -> LocalServer:
    port = free_port()
    script = node_modules() / "@stoplight/prism-cli" / "dist" / "index.js"
    # `-m false`: Prism's default worker process is not told where to listen by the preloaded file.
    return node_server(script, log, mode, "-h", "127.0.0.1", "-p", str(port), "-m", "false", *arguments, port=port)
