"""How fast are notifications accepted and delivered, and what does a dead receiver or a storm do to the others?

    python bench/notifications.py [--quick] [--store sqlite|postgresql] [--only accept|deliver|dead|storm]

Runs in `.venv` (it starts itself there). Everything is real: the service and the worker are processes of their own, the
load generator is h2load (Debian: nghttp2-client), the receiver (tests/support/hook_receiver.py) writes down each
message with its time, PostgreSQL is a server on a free port with its write-ahead log on disk (`fsync` on). Stores are
made in the folder --folder (default: a temporary one): a figure for commits is one of that disk. Seconds of the
service's CPU are printed beside those of the clock, because the clock also shows what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / "bin" / "python"
RECEIVER = ROOT / "tests" / "support" / "hook_receiver.py"
APP = Path(__file__).with_name("notification_app.py")
# All clients of h2load ask at the same instant, and wait for each other: 20 make a burst every 20 ms, 50 every 50 ms.
CLIENTS, REQUESTS_A_SECOND = (20, 50), 1000
DELIVERIES, PENDING, DEAD, EVENTS = 5000, 50_000, 5000, 10_000


class Home:
    """A folder with a migrated store, the environment of the processes that use it, and those processes."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("SMARTGRID_")}
        self.environment |= {
            "SMARTGRID_HOME": str(folder),
            "SMARTGRID_STORE_URL": dsn,
            "SMARTGRID_CHANNELS__EGRESS__ALLOW": "127.0.0.0/8",
        }
        self._running: list[subprocess.Popen[Any]] = []

    def start(self, *argv: str, **environment: str) -> subprocess.Popen[str]:
        log: IO[bytes] = (self.folder / "log").open("ab")
        process = subprocess.Popen(
            [str(PYTHON), *argv],
            env=self.environment | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self._running.append(process)
        return process

    def stop(self, process: subprocess.Popen[Any]) -> None:
        process.send_signal(signal.SIGTERM)
        process.wait(60)

    def stop_all(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
                process.wait()


def use(home: Home) -> None:
    """Let this process use the store of `home`, migrated and empty."""
    from smartgrid.settings import get_settings
    from smartgrid.store import migrate, session
    from smartgrid.store.models import Base

    os.environ.update({name: value for name, value in home.environment.items() if name.startswith("SMARTGRID_")})
    get_settings.cache_clear()
    migrate()
    with session() as transaction:
        for table in reversed(Base.metadata.sorted_tables):
            transaction.execute(table.delete())


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def cpu_s(process: subprocess.Popen[Any]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def received(log: Path) -> list[tuple[float, str, str]]:
    """Time, path and number of each message."""
    lines = log.read_text(encoding="utf-8").rpartition("\n")[0].splitlines() if log.exists() else []
    return [(float(at), path, number) for at, path, _, number in (line.split(" ") for line in lines)]


def until(condition: Callable[[], bool], within_s: float = 300.0) -> None:
    ends = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends:
            sys.exit("it did not happen in time")
        time.sleep(0.02)


def hooks(url: str, count: int, **more: Any) -> list[Any]:
    from smartgrid.notifications.model import NewNotification, Target

    target = (Target("webhook", url),)
    return [NewNotification("Line 7 is at 104 %", target, data={"n": number}, **more) for number in range(count)]


def add(notifications: list[Any]) -> None:
    from smartgrid.notifications import outbox

    for start in range(0, len(notifications), 500):
        outbox.send(*notifications[start : start + 500])


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


# --- accepting


def accept(home: Home, store: str, seconds: int) -> None:
    """1,000 requests a second in an open loop for some seconds; durable before each answer."""
    use(home)
    service = home.start(str(APP), SMARTGRID_OUTBOX__WORKER="false")
    port = port_of(service)
    until(lambda: answers(port))
    body = home.folder / "body.json"
    message = {"recipient": "http://127.0.0.1:9/hook", "type": "webhook", "message": "Test", "priority": "high"}
    body.write_text(json.dumps(message), encoding="utf-8")
    load(home, port, body, 1, CLIENTS[0])
    for pending in (0, PENDING):
        if pending:
            add(hooks("http://127.0.0.1:9/hook", pending, not_before=tomorrow()))
        for clients in CLIENTS:
            before_s = cpu_s(service)
            statuses, latencies_ms, took_s = load(home, port, body, seconds, clients)
            spent_s = cpu_s(service) - before_s
            good = statuses.count("202")
            p50_ms, p99_ms = share(latencies_ms, 0.5), share(latencies_ms, 0.99)
            print(
                f"| accept, {store}, {clients} connections, {pending:,} pending | {good / took_s:,.0f} requests/s"
                f" | p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, most {max(latencies_ms):.0f} ms"
                f" | {spent_s / max(good, 1) * 1e6:,.0f} us CPU a request, {len(statuses) - good} refused |",
                flush=True,
            )
    home.stop(service)


def load(home: Home, port: int, body: Path, seconds: int, clients: int) -> tuple[list[str], list[float], float]:
    """Statuses, latencies in ms, and how long it took."""
    log = home.folder / "h2load.log"
    log.unlink(missing_ok=True)
    command = [
        "h2load",
        "--h1",
        f"-c{clients}",
        f"--rps={REQUESTS_A_SECOND // clients}",
        f"-n{REQUESTS_A_SECOND * seconds}",
    ]
    command += ["-d", str(body), "-H", "content-type: application/json", "-H", "authorization: Bearer operator"]
    command += [f"--log-file={log}", f"http://127.0.0.1:{port}/api/v1/notifications/send"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    lines = [line.split("\t") for line in log.read_text(encoding="utf-8").splitlines()]
    began_us = min(int(line[0]) for line in lines)
    ended_us = max(int(line[0]) + int(line[2]) for line in lines)
    return [line[1] for line in lines], [int(line[2]) / 1000 for line in lines], (ended_us - began_us) / 1e6


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return b"200" in connection.recv(100)
    except OSError:
        return False


# --- delivering


@contextmanager
def receiving(home: Home) -> Iterator[tuple[int, Path]]:
    log = home.folder / "received.log"
    log.unlink(missing_ok=True)
    receiver = home.start(str(RECEIVER), str(log))
    try:
        yield port_of(receiver), log
    finally:
        receiver.kill()
        receiver.wait()


def deliver(home: Home, store: str, count: int) -> None:
    """One worker, one receiver."""
    for pending in (0, PENDING):
        use(home)
        with receiving(home) as (port, log):
            if pending:
                add(hooks("http://127.0.0.1:9/hook", pending, not_before=tomorrow()))
            worker = home.start("-m", "smartgrid.notifications.worker")
            add(hooks(f"http://127.0.0.1:{port}/warm", 200))
            until(lambda: len(received(log)) >= 200)
            before_s = cpu_s(worker)
            add(hooks(f"http://127.0.0.1:{port}/ok", count))
            until(lambda: len(received(log)) >= count + 200)
            times = [at_s for at_s, path, _ in received(log) if path == "/ok"]
            numbers = [number for _, path, number in received(log) if path == "/ok"]
            rate = len(times) / (max(times) - min(times))
            spent_us = (cpu_s(worker) - before_s) / count * 1e6
            print(
                f"| deliver, {store}, {pending:,} pending | {rate:,.0f} webhooks/s | {len(set(numbers)):,} of"
                f" {count:,}, {len(numbers) - len(set(numbers))} twice | {spent_us:,.0f} us CPU each |",
                flush=True,
            )
            home.stop(worker)


def dead(home: Home, store: str, seconds: int) -> None:
    """Messages to a living receiver, alone and then while a dead one has thousands waiting."""
    for waiting in (0, DEAD):
        for kind in ("hangs", "refuses") if waiting else ("-",):
            use(home)
            with receiving(home) as (port, log), socket.create_server(("127.0.0.1", 0), backlog=1024) as silent:
                closed = 9 if kind == "refuses" else silent.getsockname()[1]
                worker = home.start("-m", "smartgrid.notifications.worker")
                add(hooks(f"http://127.0.0.1:{port}/warm", 20))
                until(lambda log=log: len(received(log)) >= 20)
                add(hooks(f"http://127.0.0.1:{closed}/dead", waiting))
                sent_s: dict[str, float] = {}
                for number in range(seconds * 20):
                    sent_s[str(number)] = time.time()
                    one = hooks(f"http://127.0.0.1:{port}/ok", number + 1)[number]
                    add([one])
                    time.sleep(0.05)
                until(lambda log=log: sum(path == "/ok" for _, path, _ in received(log)) >= seconds * 20)
                delays_ms = [1000 * (at_s - sent_s[n]) for at_s, path, n in received(log) if path == "/ok"]
                what = f"{waiting:,} wait for a receiver that {kind}" if waiting else "alone"
                print(
                    f"| one message every 50 ms, {store}, {what} | delay p50 {share(delays_ms, 0.5):.0f} ms, p99"
                    f" {share(delays_ms, 0.99):.0f} ms | most {max(delays_ms):.0f} ms | |",
                    flush=True,
                )
                worker.kill()
                worker.wait()


# --- a storm


def storm(home: Home, store: str) -> None:
    """Thousands of events of one substation, recorded as rooms do, routed by the worker."""
    from sqlalchemy import func, select

    topology = ROOT / "include" / "smartgrid" / "notifications" / "topology.example.yaml"
    home.environment["SMARTGRID_ROUTING__TOPOLOGY"] = str(topology)
    use(home)
    from smartgrid.notifications import endpoints
    from smartgrid.store import session
    from smartgrid.store.events import Event, EventRow, record_event
    from smartgrid.store.routing_tables import RoutingDecision

    with receiving(home) as (port, log):
        endpoints.create("operations", f"http://127.0.0.1:{port}/ok", "bench")
        worker = home.start("-m", "smartgrid.notifications.worker")
        time.sleep(3)
        began_s = time.time()
        for start in range(0, EVENTS, 500):
            with session() as transaction:
                for number in range(start, start + 500):
                    zone = f"F1-{number % 300:03d}"
                    event = Event("overload", "high", f"{zone} is overloaded", zones=(zone,), dedupe_key=f"o-{number}")
                    record_event(transaction, event)

        def left() -> int:
            with session() as transaction:
                return transaction.scalar(select(func.count()).where(EventRow.routed_at.is_(None))) or 0

        until(lambda: left() == 0)
        routed_s = time.time() - began_s
        time.sleep(3)
        with session() as transaction:
            decided = transaction.scalar(select(func.count(func.distinct(RoutingDecision.event_id)))) or 0
        times = [at_s for at_s, _, _ in received(log)]
        first_s = times[0] - began_s if times else float("nan")
        print(
            f"| {EVENTS:,} events of one substation, {store} | {len(times)} messages, the first after {first_s:.1f} s"
            f" | {decided:,} events in the record with what was decided | all decided after {routed_s:.1f} s |",
            flush=True,
        )
        home.stop(worker)
    home.environment.pop("SMARTGRID_ROUTING__TOPOLOGY")


# --- stores


@contextmanager
def stores(kinds: list[str], folder: Path) -> Iterator[list[tuple[str, Home]]]:
    found: list[tuple[str, Home]] = []
    stop: Callable[[], None] = lambda: None  # noqa: E731
    for kind in kinds:
        home = folder / kind
        home.mkdir()
        dsn = f"sqlite:///{home / 'store.db'}"
        if kind == "postgresql":
            programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
            if not programs:
                print("PostgreSQL is not installed: left out")
                continue
            dsn, stop = postgres(programs[-1].parent, home)
        found.append((kind, Home(home, dsn)))
    try:
        yield found
    finally:
        for _, home_of in found:
            home_of.stop_all()
        stop()


def postgres(programs: Path, home: Path) -> tuple[str, Callable[[], None]]:
    """A server that syncs to disk; PostgreSQL refuses to run as root."""
    user = "postgres" if os.geteuid() == 0 else None
    data = home / "data"
    if user:
        shutil.chown(home, user)
        for folder in (home, home.parent):
            folder.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run: dict[str, Any] = {"user": user, "check": True, "cwd": home, "stdout": subprocess.DEVNULL}
    subprocess.run([programs / "initdb", "-D", data, "-U", "grid", "-A", "trust"], **run)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home}"
    subprocess.run([programs / "pg_ctl", "-D", data, "-l", home / "pg.log", "-w", "-o", options, "start"], **run)

    def stop() -> None:
        subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **run)

    return f"postgresql://grid@127.0.0.1:{port}/postgres", stop


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--only", choices=["accept", "deliver", "dead", "storm"], action="append")
    parser.add_argument("--folder", type=Path, default=None)
    chosen = parser.parse_args()
    if Path(sys.prefix) != PYTHON.parent.parent:
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    if shutil.which("h2load") is None:
        sys.exit("h2load is missing: apt-get install nghttp2-client")
    wanted = chosen.only or ["accept", "deliver", "dead", "storm"]
    kinds = chosen.store or ["sqlite", "postgresql"]
    folder = Path(tempfile.mkdtemp(prefix="notifications-", dir=chosen.folder))
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| what | rate | | cost |\n|---|---|---|---|", flush=True)
    try:
        with stores(kinds, folder) as homes:
            for kind, home in homes:
                if "accept" in wanted:
                    accept(home, kind, 5 if chosen.quick else 20)
                if "deliver" in wanted:
                    deliver(home, kind, 1000 if chosen.quick else DELIVERIES)
                if "dead" in wanted:
                    dead(home, kind, 5 if chosen.quick else 15)
                if "storm" in wanted:
                    storm(home, kind)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\nload of the machine after: {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
