"""An H2O cluster of one node that belongs to this process alone and ends with it.

H2O's own launcher is not used: it puts Java into a session of its own, where it outlives whoever is killed; it knows
no login; and it looks for Java on PATH only. Here Java hangs on a pipe: whatever ends this process, SIGKILL included,
closes the pipe, and a shell at its other end kills Java.
"""

from __future__ import annotations

import atexit
import io
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from smartgrid.automl.java import find_java
from smartgrid.errors import SmartGridError

START_S = 60.0
IDLE_S = 90.0
START_ATTEMPTS = 3
ENDING_S = 2.0
HEAP_SHARE, LEAST_HEAP_MB, MOST_HEAP_MB = 0.5, 400, 4000
# `wait` makes the shell end with Java's own status; the reader in the background kills Java when the pipe closes.
GUARD = 'exec 3<&0; "$@" </dev/null 3<&- & java=$!; { cat <&3 >/dev/null; kill -9 $java 2>/dev/null; } & wait $java'


def h2o_jar() -> Path:
    """The archive inside the Python package `h2o`: the server, and the scorer of exported models."""
    import h2o

    return Path(h2o.__file__).parent / "backend" / "bin" / "h2o.jar"


class H2OFailed(SmartGridError):
    """H2O did not start, or an operation of it failed."""

    def __init__(self, what: str, reason: str) -> None:
        self.what, self.reason = what, reason
        super().__init__(f"H2O: {what} failed: {reason}")


class H2OLost(H2OFailed):
    """Java ended while it worked for us; a new cluster can do the work."""


class H2OCluster:
    """A running H2O on loopback, with a random name and login, connected to this process's `h2o` package."""

    def __init__(self, threads: int, memory_mb: int) -> None:
        """Start and connect.

        Args:
            threads: of H2O's pool.
            memory_mb: what the whole trainer may use; half of it, at most 4,000 MB, becomes Java's heap.

        Raises:
            JavaMissing, H2OFailed
        """
        self.threads, self.memory_mb = threads, memory_mb
        self.folder = Path(tempfile.mkdtemp(prefix="h2o-"))
        self._process: subprocess.Popen[bytes]
        self._login = (secrets.token_hex(8), secrets.token_urlsafe(24))
        try:
            java = find_java()
            for attempt in range(START_ATTEMPTS):
                self._process, port = self._launch(java)
                if self._answers(port, last=attempt == START_ATTEMPTS - 1):
                    break
            self._connect(port)
        except BaseException:
            self.close()
            raise

    def _launch(self, java: Path) -> tuple[subprocess.Popen[bytes], int]:
        user, password = self._login
        realm = self.folder / "realm.properties"
        realm.touch(mode=0o600)
        realm.write_text(f"{user}: {password}\n", encoding="utf-8")
        port = _free_pair_of_ports()
        alone = self.folder / "nodes"  # with a list of nodes H2O does not look for others by multicast
        alone.write_text(f"127.0.0.1:{port}\n", encoding="utf-8")
        heap_mb = int(min(MOST_HEAP_MB, max(LEAST_HEAP_MB, HEAP_SHARE * self.memory_mb)))
        command = [
            str(java),
            f"-Xmx{heap_mb}m",
            "-XX:+UseSerialGC",  # the smallest in memory and threads
            f"-XX:ActiveProcessorCount={max(1, self.threads)}",
            f"-Djava.io.tmpdir={self.folder}",
            "-Dsys.ai.h2o.ext.core.toggle.XGBoost=False",  # not used; unpacking it costs a second and 300 MB of disk
            *("-jar", str(h2o_jar())),  # not by class path: the manifest opens the packages that H2O needs
            *("-ip", "127.0.0.1", "-web_ip", "127.0.0.1", "-port", str(port), "-flatfile", str(alone)),
            *("-name", secrets.token_hex(16), "-ice_root", str(self.folder), "-nthreads", str(self.threads)),
            *("-hash_login", "-login_conf", str(realm), "-log_level", "FATAL", "-allow_unsupported_java"),
        ]
        with (self.folder / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )
        return process, port

    def _answers(self, port: int, last: bool) -> bool:
        """Wait for the first answer. False: Java ended early, as when another process took the port meanwhile."""
        import requests

        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                if last:
                    raise H2OFailed("its start", self._last_words())
                self._end()
                return False
            try:
                answer = requests.get(f"http://127.0.0.1:{port}/3/Cloud", auth=self._login, timeout=5)
                if answer.status_code == 200 and answer.json()["cloud_healthy"]:
                    return True
            except (requests.ConnectionError, requests.Timeout):
                pass
            time.sleep(0.1)
        raise H2OFailed("its start", f"no answer within {START_S:.0f} s; {self._last_words()}")

    def _connect(self, port: int) -> None:
        import h2o

        with self.calling("connecting"), redirect_stdout(io.StringIO()):  # it prints that a newer version is for sale
            h2o.no_progress()
            h2o.connect(url=f"http://127.0.0.1:{port}", auth=self._login, verbose=False, strict_version_check=False)

    @contextmanager
    def calling(self, what: str) -> Iterator[None]:
        """Errors of the library inside become H2OFailed, with what Java said last if it is the one that died."""
        from h2o.exceptions import H2OError

        try:
            yield
        except (H2OError, OSError) as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            if self._ended(error):
                raise H2OLost(what, f"Java ended; {self._last_words()}") from error
            raise H2OFailed(what, reason) from error

    def _ended(self, error: BaseException) -> bool:
        """Java is gone. Connections are refused a moment before the shell that waits for Java ends as well."""
        from h2o.exceptions import H2OConnectionError

        if isinstance(error, H2OConnectionError | OSError):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=ENDING_S)
        return not self.running

    def _last_words(self) -> str:
        output = self.folder / "output.txt"
        text = output.read_text(errors="replace") if output.exists() else ""
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("WARNING")]
        return " | ".join(lines[-5:])[:600] or "it said nothing"

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def close(self) -> None:
        """End Java and remove its files. Repeating is free."""
        import h2o

        process = getattr(self, "_process", None)
        if process is not None:
            if h2o.connection() is not None:
                h2o.connection().close()  # else its handler at exit talks to a server that is gone
            self._end()
        shutil.rmtree(self.folder, ignore_errors=True)


_LOCK = threading.RLock()
_SHARED: dict[int, H2OCluster] = {}  # by process, because a forked child must not use its parent's
_USES: list[float] = []  # when each use in progress began, then the end of the last one


class shared_cluster:  # noqa: N801 - reads as a function: `with shared_cluster(...)`
    """The cluster of this process, started on first use.

    It is kept between uses, because starting costs five seconds and a backtest fits a recipe every week of its window;
    it is closed when nobody used it for 90 s, and with the process. One use at a time.
    """

    def __init__(self, threads: int, memory_mb: int) -> None:
        self.threads, self.memory_mb = threads, memory_mb

    def __enter__(self) -> H2OCluster:
        _LOCK.acquire()
        try:
            cluster = _SHARED.get(os.getpid())
            if cluster is not None and not (
                cluster.running and (cluster.threads, cluster.memory_mb) == (self.threads, self.memory_mb)
            ):
                close_shared_cluster()
                cluster = None
            if cluster is None:
                cluster = _SHARED[os.getpid()] = H2OCluster(self.threads, self.memory_mb)
                # After the library's own handler at exit, so that this one runs first and leaves it nothing to do.
                atexit.register(close_shared_cluster)
            _USES[:] = [time.monotonic()]
        except BaseException:
            _LOCK.release()
            raise
        return cluster

    def __exit__(self, *_: Any) -> None:
        used = time.monotonic()
        _USES[:] = [used]
        timer = threading.Timer(IDLE_S, _close_if_idle, [used])
        timer.daemon = True
        timer.start()
        _LOCK.release()


def _close_if_idle(since: float) -> None:
    with _LOCK:
        if [since] == _USES:
            close_shared_cluster()


def close_shared_cluster() -> None:
    """End the cluster of this process, if there is one."""
    with _LOCK:
        cluster = _SHARED.pop(os.getpid(), None)
        if cluster is not None:
            cluster.close()


def _free_pair_of_ports() -> int:
    """A port that is free together with the next one: H2O takes both, the second for talk between nodes."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
