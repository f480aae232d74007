"""The answer to "is it running?"."""

from __future__ import annotations

from datetime import timedelta

from rich.console import Console
from rich.table import Table

from smartgrid.errors import SmartGridError
from smartgrid.platform.identity import our_processes
from smartgrid.platform.programs import programs
from smartgrid.platform.supervisor import states
from smartgrid.platform.supervisor_config import log_path
from smartgrid.platform.up import check_all
from smartgrid.settings import Settings


class NoSuchLog(SmartGridError):
    """No process of this name has a log."""

    exit_code = 2

    def __init__(self, program: str, known: list[str]) -> None:
        self.program, self.known = program, known
        super().__init__(f"No log of {program!r}. Names: {', '.join(known)}.")


def print_status(settings: Settings) -> bool:
    """Print one line a process; return whether all are well."""
    console = Console()
    known = states(settings)
    if known is None:
        left = our_processes(settings.home)
        console.print("The platform is not running. Start it with `make run`.", highlight=False)
        if left:
            console.print(f"{len(left)} process(es) of an earlier run are left; `make stop` ends them.")
        return False
    by_name = {process.name: process for process in known}
    health = check_all(settings)
    table = Table("process", "state", "pid", "health", "port", "up", "log")
    for column in table.columns:
        column.overflow = "fold"
    well = True
    for program in programs(settings):
        process, answer = by_name.get(program.name), health[program.name]
        running = process is not None and process.running
        ok = running and answer.ok
        well &= ok
        table.add_row(
            program.name,
            process.state if process else "not managed",
            str(process.pid or "-") if process else "-",
            answer.detail,
            ", ".join(str(port) for port in program.ports.values()) or "-",
            str(timedelta(seconds=int(process.uptime_s))) if process else "-",
            log_path(settings, program.name).name,
            style="green" if ok else "red",
        )
    # A log file has no width of its own.
    (console if console.is_terminal else Console(width=120)).print(table)
    console.print(f"logs in {settings.home / 'logs'}", highlight=False, soft_wrap=True)
    return well


def log_tail(settings: Settings, program: str, lines: int) -> str:
    """The last lines of a process's log.

    Raises:
        NoSuchLog
    """
    path = log_path(settings, program)
    known = [*(entry.name for entry in programs(settings)), "supervisord"]
    if program not in known or not path.exists():
        raise NoSuchLog(program, known)
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
