"""`python -m smartgrid.platform.child NAME`: become the program NAME, after ending what an earlier one left behind.

The supervisor runs this instead of the program itself. Processes that died by SIGKILL leave children (workers,
running steps); they would hold ports and write results beside the ones that replace them.
"""

from __future__ import annotations

import os
import sys

from smartgrid.errors import SmartGridError
from smartgrid.platform.identity import end, our_processes
from smartgrid.platform.programs import make_folders, program_environment, programs
from smartgrid.settings import get_settings


class UnknownProgram(SmartGridError):
    """No program of the platform has this name."""

    exit_code = 2

    def __init__(self, name: str, known: list[str]) -> None:
        self.name, self.known = name, known
        super().__init__(f"No program {name!r}. Programs: {', '.join(known)}.")


def become(name: str) -> None:
    """Replace this process by the program. Does not return."""
    settings = get_settings()
    selected = {program.name: program for program in programs(settings)}
    if name not in selected:
        raise UnknownProgram(name, sorted(selected))
    # Idle workers of Airflow ignore SIGTERM: do not keep the restart waiting for them.
    left = end(our_processes(settings.home, name), grace_s=4)
    if left:
        print(f"ended {left} process(es) that an earlier {name} left behind", flush=True)
    make_folders(settings)
    program = selected[name]
    os.execve(program.argv[0], list(program.argv), program_environment(settings, program))  # noqa: S606


if __name__ == "__main__":
    try:
        become(sys.argv[1])
    except SmartGridError as failure:
        print(f"{type(failure).__name__}: {failure}", file=sys.stderr, flush=True)
        sys.exit(failure.exit_code)
