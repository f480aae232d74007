"""The configuration of supervisord, generated from the programs; it holds no secret."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import tempfile
from pathlib import Path

from smartgrid.platform.programs import Program, programs
from smartgrid.settings import PROJECT_ROOT, Settings

# The kernel's limit of a socket's path is 108 bytes; supervisord first binds a longer temporary name.
LONGEST_SOCKET_PATH = 90


def log_path(settings: Settings, program: str) -> Path:
    return settings.home / "logs" / f"{program}.log"


def socket_path(settings: Settings) -> Path:
    """Where supervisord listens; in a short temporary folder, recorded in HOME/run, if HOME is too deep."""
    direct = settings.home / "run" / "supervisor.sock"
    if len(os.fsencode(direct)) <= LONGEST_SOCKET_PATH:
        return direct
    record = settings.home / "run" / "socket-path"
    if record.exists():
        recorded = Path(record.read_text(encoding="utf-8").strip())
        if recorded.parent.is_dir():
            return recorded
    chosen = Path(tempfile.mkdtemp(prefix="smartgrid-")) / "supervisor.sock"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(f"{chosen}\n", encoding="utf-8")
    return chosen


def remove_socket(settings: Settings) -> None:
    """Remove the socket, and the temporary folder made for it."""
    path = socket_path(settings)
    path.unlink(missing_ok=True)
    record = settings.home / "run" / "socket-path"
    if record.exists():
        path.parent.rmdir()
        record.unlink()


def fingerprint(settings: Settings) -> str:
    """Changes when a restart is needed for new settings to take effect."""
    environment = sorted((name, value) for name, value in os.environ.items() if name.startswith("SMARTGRID_"))
    described = [[program.name, *program.argv] for program in programs(settings)]
    basis = [described, environment, settings.model_dump(mode="json"), sys.executable]
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()


def render(settings: Settings) -> str:
    """The text of supervisord.conf."""
    run, logs = settings.home / "run", settings.home / "logs"
    sections = [
        _section(
            "unix_http_server",
            {"file": socket_path(settings), "chmod": "0700"},
        ),
        _section(
            "supervisord",
            {
                "logfile": logs / "supervisord.log",
                "logfile_maxbytes": "5MB",
                "logfile_backups": 2,
                "pidfile": run / "supervisord.pid",
                "directory": PROJECT_ROOT,
                "identifier": "smartgrid",
            },
        ),
        _section(
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
    ]
    sections += [_program(settings, program) for program in programs(settings)]
    return "\n".join(sections)


def _program(settings: Settings, program: Program) -> str:
    command = [sys.executable, "-m", "smartgrid.platform.child", program.name]
    return _section(
        f"program:{program.name}",
        {
            "command": shlex.join(command),
            "directory": PROJECT_ROOT,
            "autostart": "true",
            "autorestart": "true",
            # A start that fails is tried again after 1, 2, 3, ... s, for hours.
            "startsecs": 5,
            "startretries": 100,
            "stopasgroup": "true",
            "killasgroup": "true",
            "stopwaitsecs": program.stop_wait_s,
            "redirect_stderr": "true",
            # Expanded twice by supervisord, unlike the rest.
            "stdout_logfile": str(log_path(settings, program.name)).replace("%", "%%"),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": 3,
        },
    )


def _section(name: str, values: dict[str, object]) -> str:
    # supervisord expands %(...)s in values.
    lines = [f"{key}={str(value).replace('%', '%%')}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])
