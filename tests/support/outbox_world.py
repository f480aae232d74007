"""A migrated store, a receiver that writes down what it gets, and workers as processes that can be killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from smartgrid.notifications import outbox
from smartgrid.notifications.model import NewNotification, Target
from smartgrid.settings import Settings, get_settings, load_settings
from smartgrid.store import migrate, session
from smartgrid.store.engine import engine, engine_for
from smartgrid.store.models import Base
from smartgrid.store.notification_tables import AttemptRow, DeliveryRow

RECEIVER = Path(__file__).with_name("hook_receiver.py")
LOOPBACK = "127.0.0.0/8"


@dataclass(frozen=True)
class Got:
    """One message as its receiver saw it."""

    at_s: float
    path: str
    webhook_id: str
    number: str


@dataclass
class Receiver:
    """The receiver's process and what it wrote down."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def url(self, path: str = "ok") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def got(self) -> list[Got]:
        lines = self.log.read_text(encoding="utf-8").rpartition("\n")[0].splitlines() if self.log.exists() else []
        return [Got(float(at), path, name, number) for at, path, name, number in (line.split(" ") for line in lines)]


@dataclass
class World:
    """What a test of the outbox needs."""

    home: Path
    settings: Settings
    receiver: Receiver
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def worker_log(self) -> Path:
        return self.home / "worker.log"

    def hook(self, path: str = "ok", message: str = "Line 7 is at 104 %", **fields: Any) -> NewNotification:
        return NewNotification(message, (Target("webhook", self.receiver.url(path)),), **fields)

    def send(self, count: int, path: str = "ok", **fields: Any) -> list[str]:
        """Add `count` notifications, numbered by `data["n"]`."""
        return outbox.send(*(self.hook(path, data={"n": number}, **fields) for number in range(count)))

    def start_worker(self, module: str = "smartgrid.notifications.worker") -> subprocess.Popen[bytes]:
        with self.worker_log.open("ab") as log:
            worker = subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE, stderr=log)
        self.workers.append(worker)
        return worker

    def stop_workers(self, how: int = signal.SIGTERM) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(how)
        for worker in self.workers:
            worker.wait(30)
            if worker.stdin is not None:
                worker.stdin.close()
        self.workers.clear()

    def states(self) -> dict[str, int]:
        with session() as transaction:
            rows = transaction.execute(select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state))
            return {state: count for state, count in rows}  # noqa: C416 - rows are not pairs to a type checker

    def rows(self) -> list[DeliveryRow]:
        with session() as transaction:
            return list(transaction.scalars(select(DeliveryRow).order_by(DeliveryRow.delivery_id)).all())

    def attempts(self) -> list[AttemptRow]:
        with session() as transaction:
            return list(transaction.scalars(select(AttemptRow).order_by(AttemptRow.attempt_id)).all())


def until(condition: Callable[[], Any], within_s: float = 60.0, every_s: float = 0.05) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every_s)


@pytest.fixture(params=["sqlite", "postgresql"])
def dsn(request: pytest.FixtureRequest, tmp_path: Path, migrated_sqlite: Path) -> str:
    """An empty database of each kind."""
    return database(request, tmp_path, migrated_sqlite)


def database(request: pytest.FixtureRequest, tmp_path: Path, migrated_sqlite: Path) -> str:
    """The URL of an empty database of the kind that the fixture's parameter names."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    shutil.copy(migrated_sqlite, tmp_path / "store.db")
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, made once."""
    home = tmp_path_factory.mktemp("migrated")
    environment = {**os.environ, "SMARTGRID_HOME": str(home)}
    environment.pop("SMARTGRID_STORE_URL", None)
    subprocess.run([sys.executable, "-m", "smartgrid", "store", "migrate"], env=environment, check=True)
    return home / "store.db"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    log = tmp_path / "received.log"
    process = subprocess.Popen([sys.executable, str(RECEIVER), str(log)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Receiver(process, int(process.stdout.readline()), log)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def world(dsn: str, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A migrated store with leases of 2 s and a schedule of tenths of seconds."""
    for name in [name for name in os.environ if name.startswith("SMARTGRID_")]:
        monkeypatch.delenv(name)
    config = tmp_path / "smartgrid.toml"
    config.write_text("", encoding="utf-8")
    for name, value in {
        "CONFIG": str(config),
        "HOME": str(tmp_path),
        "STORE_URL": dsn,
        "CHANNELS__EGRESS__ALLOW": LOOPBACK,
        "OUTBOX__LEASE_S": "2",
        "OUTBOX__POLL_S": "0.1",
        "OUTBOX__RETRIES_S": "[0, 0.1, 0.2, 0.3]",
        "OUTBOX__RETRIES_CRITICAL_S": "[0, 0.1, 0.2, 0.3]",
    }.items():
        monkeypatch.setenv(f"SMARTGRID_{name}", value)
    get_settings.cache_clear()
    migrate()
    world = World(tmp_path, load_settings(), receiver)
    yield world
    world.stop_workers(signal.SIGKILL)
    if dsn.startswith("postgresql"):
        # Emptied, not dropped: migrating anew for every test would take longer than the tests.
        with engine().begin() as connection:
            names = ", ".join(Base.metadata.tables)
            connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    engine().dispose()
    engine_for.cache_clear()
    get_settings.cache_clear()
