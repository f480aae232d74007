"""Which processes are ours: an environment marker, inherited by every descendant.

Process ids and groups are not enough. Airflow's workers outlive a killed scheduler, steps run in sessions of their
own, and ids are used again; the marker holds a hash of SMARTGRID_HOME, so that two platforms on a machine never touch
each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import psutil

# Without the prefix SMARTGRID_, which is for settings: an unknown one is an error.
ID_VARIABLE = "SG_PLATFORM_ID"
PROGRAM_VARIABLE = "SG_PLATFORM_PROGRAM"


def platform_id(home: Path) -> str:
    """Identity of the platform whose files are in `home`."""
    return hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]


def our_processes(home: Path, program: str | None = None) -> list[psutil.Process]:
    """Living processes with our marker (of one program, where named), without this process and its ancestors."""
    wanted = platform_id(home)
    this = psutil.Process()
    excluded = {this.pid, *(parent.pid for parent in this.parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in excluded:
            continue
        try:
            environment = process.environ()
            if environment.get(ID_VARIABLE) != wanted or process.status() == psutil.STATUS_ZOMBIE:
                continue
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if program is None or environment.get(PROGRAM_VARIABLE) == program:
            found.append(process)
    return found


def end(processes: Iterable[psutil.Process], grace_s: float = 10.0) -> int:
    """Ask processes to end, then kill what is left; return how many there were."""
    living = list(processes)
    for process in living:
        _signal(process, kill=False)
    _, stubborn = psutil.wait_procs(living, timeout=grace_s)
    for process in stubborn:
        _signal(process, kill=True)
    psutil.wait_procs(stubborn, timeout=5)
    return len(living)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    # psutil compares the creation time first, so that a reused process id is never hit.
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return
