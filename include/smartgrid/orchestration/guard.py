"""Runs one command and guarantees that nothing of it outlives the caller.

A program of its own, started as `python guard.py COMMAND...` with a pipe as standard input that only the caller can
write to. The pipe closes when the caller closes it or dies, however it dies; then everything that the command started
is ended. On Linux the guard adopts orphans (PR_SET_CHILD_SUBREAPER), so that a descendant that detached itself from
its parent is found as well, and the command dies with the guard (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 2.0  # between SIGTERM and SIGKILL: time for H2O to stop its Java process
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _prctl(option: int, value: int) -> None:
    # macOS has no such call; there the pipe alone ends the command.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _in_the_command() -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _descendants() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE]


def _signal_all(number: signal.Signals) -> None:
    for process in _descendants():
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def end_descendants(grace_s: float = GRACE_S) -> None:
    """End every process below this one: SIGTERM, then SIGKILL until none is left."""
    _signal_all(signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while _alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    while _alive():
        _signal_all(signal.SIGKILL)
        time.sleep(0.02)


def _alive() -> bool:
    try:
        return bool(_descendants())
    except psutil.NoSuchProcess:  # one ended between listing and looking
        return True


def main(command: list[str]) -> int:
    """Run `command`; return its exit code, or 128 + the signal that ended it."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake_read, wake_write = os.pipe()
    for end in (wake_read, wake_write):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    for number in (*ENDING_SIGNALS, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            # This program has one thread, so running Python between fork and exec is safe here.
            preexec_fn=_in_the_command,
        )
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        return 127
    while child.poll() is None:
        ready, _, _ = select.select([sys.stdin.fileno(), wake_read], [], [])
        if wake_read in ready and any(number in ENDING_SIGNALS for number in os.read(wake_read, 64)):
            break
        if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 64):
            break
    end_descendants()
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
