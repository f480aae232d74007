"""Crashes and failures around the outbox: nothing accepted is lost, no repetition goes unnoticed."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from outbox_world import World, until
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from smartgrid.notifications import endpoints, outbox
from smartgrid.notifications.default_secret import secret_file
from smartgrid.notifications.model import NewNotification, Target
from smartgrid.notifications.worker import Worker
from smartgrid.settings import get_settings, load_settings
from smartgrid.store import session
from smartgrid.store.engine import engine
from smartgrid.store.notification_tables import NotificationRow

# What does not depend on the database.
ON_SQLITE = pytest.mark.parametrize("dsn", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("dsn", ["postgresql"], indirect=True)
DONE = {"delivered", "dead"}
TOKEN = "twilio-auth-token-of-the-test"


def all_done(world: World) -> bool:
    return set(world.states()) <= DONE


@pytest.fixture
def twilio(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """SMS go to a stand-in for Twilio that takes a moment to answer."""
    for name, value in {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_PHONE_NUMBER": "+14155550199",
        "SMARTGRID_CHANNELS__TWILIO__BASE_URL": f"http://127.0.0.1:{world.receiver.port}",
        "SMARTGRID_OUTBOX__PER_SECOND": '{"sms": 20}',
    }.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    world.settings = load_settings()
    return world


def kill_under_load(world: World, kills: int) -> None:
    """Kill the worker `kills` times, a random moment after it began to send, while messages come in all the time."""
    accepted: list[str] = []
    stop = threading.Event()
    sent = 0

    def load() -> None:
        nonlocal sent
        while not stop.wait(0.2):
            hooks = [world.hook(data={"n": number}) for number in range(sent, sent + 20)]
            sms = NewNotification(f"n{sent}", (Target("sms", "+14155550100"),))
            accepted.extend(outbox.send(*hooks, sms))
            sent += 20

    loading = threading.Thread(target=load)
    loading.start()
    try:
        for _ in range(kills):
            before = len(world.receiver.got())
            worker = world.start_worker()
            # Let it begin first (the imports take a second), else it would be killed before it did anything.
            until(lambda before=before: len(world.receiver.got()) > before, within_s=120, every_s=0.01)
            time.sleep(random.uniform(0, 0.3))
            worker.kill()
            worker.wait()
    finally:
        stop.set()
        loading.join(60)
    assert not loading.is_alive()
    world.start_worker()
    until(lambda: all_done(world), within_s=300, every_s=0.5)
    _nothing_lost_nothing_hidden(world, accepted, sent)


def _nothing_lost_nothing_hidden(world: World, accepted: list[str], messages: int) -> None:
    rows = {row.delivery_id: row for row in world.rows()}
    assert {row.notification_id for row in rows.values()} == set(accepted)
    got = [one for one in world.receiver.got() if one.path == "/ok"]
    assert {int(one.number) for one in got} == set(range(messages))
    ids = {(one.webhook_id, one.number) for one in got}
    assert len(ids) == messages, "a webhook-id changed"
    assert {name for name, _ in ids} <= set(rows)
    doubled = [
        text
        for text, count in Counter(one.number for one in world.receiver.got() if one.path == "/sms").items()
        if count > 1
    ]
    ambiguous = {attempt.delivery_id for attempt in world.attempts() if attempt.outcome == "ambiguous"}
    with session() as transaction:
        query = select(NotificationRow.notification_id, NotificationRow.message)
        texts = {name: message for name, message in transaction.execute(query)}  # noqa: C416 - rows are no pairs
    known = {texts[rows[name].notification_id] for name in ambiguous}
    assert set(doubled) <= known


def test_a_worker_that_is_killed_loses_nothing(twilio: World) -> None:
    kill_under_load(twilio, kills=3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills_under_load_lose_nothing(twilio: World) -> None:
    kill_under_load(twilio, kills=50)


@ON_SQLITE
def test_an_sms_whose_worker_died_is_asked_about_before_it_is_sent_again(twilio: World) -> None:
    outbox.send(NewNotification("n1", (Target("sms", "+14155550100"),)))
    worker = twilio.start_worker()
    until(lambda: twilio.receiver.got(), every_s=0.001)
    worker.kill()  # the provider has it and will answer in a moment, to nobody
    worker.wait()
    until(lambda: Worker(twilio.settings).drain(5) and twilio.states().keys() & {"ambiguous", "delivered"}, within_s=60)
    with session() as transaction:
        transaction.execute(text("UPDATE deliveries SET due_at = updated_at WHERE queue IS NOT NULL"))
    until(lambda: Worker(twilio.settings).drain(5) and twilio.states() == {"delivered": 1}, within_s=60)
    assert [one.number for one in twilio.receiver.got()] == ["n1"]


def test_two_workers_share_the_work_and_send_nothing_twice(world: World) -> None:
    world.start_worker()
    world.start_worker()
    world.send(400)
    until(lambda: world.states() == {"delivered": 400})
    assert Counter(Counter(one.number for one in world.receiver.got()).values()) == {1: 400}


@ON_SQLITE
def test_a_worker_that_is_asked_to_stop_finishes_what_is_under_way(world: World) -> None:
    world.send(100, "slow/0.5")
    worker = world.start_worker()
    until(lambda: world.receiver.got())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    assert set(world.states()) <= {"delivered", "pending"}
    assert len(world.receiver.got()) == world.states()["delivered"]


@ON_SQLITE
def test_a_worker_ends_when_the_signal_comes_while_it_holds_its_lock(world: World) -> None:
    program = (
        "import os, signal, time; from smartgrid.notifications import worker; run = worker.Worker.run\n"
        "def signalled(self):\n"
        "    with self.sender._lock:\n"
        "        os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.3)\n"
        "    run(self)\n"
        "worker.Worker.run = signalled; worker.main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, capture_output=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode()


@ON_SQLITE
def test_a_slow_receiver_delays_no_other(world: World) -> None:
    world.send(200, "slow/10")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        outbox.send(*(NewNotification("x", (Target("webhook", hanging),)) for _ in range(200)))
        row, _ = endpoints.create("well", world.receiver.url("ok"), "ada")
        world.start_worker()
        until(lambda: world.receiver.got())
        sent_at = time.time()
        outbox.send(*(NewNotification("y", (Target("webhook", row.endpoint_id),), data={"n": "y"}) for _ in range(50)))
        until(lambda: sum(one.number == "y" for one in world.receiver.got()) == 50, every_s=0.01)
        last = max(one.at_s for one in world.receiver.got() if one.number == "y")
        world.stop_workers(signal.SIGKILL)
    # Far less than the time-out of a message that hangs, with room for a busy machine; the benchmark has the figure.
    assert last - sent_at < 5


@ON_SQLITE
def test_a_receiver_that_resets_or_answers_ten_megabytes_is_one_failure_and_no_more(world: World) -> None:
    outbox.send(world.hook("reset"), world.hook("big"), world.hook("ok", data={"n": "ok"}))
    worker = world.start_worker()
    until(lambda: all_done(world))
    states = {row.recipient.rpartition("/")[2]: row.state for row in world.rows()}
    assert (states["reset"], states["ok"]) == ("dead", "delivered")
    assert worker.poll() is None
    assert all(len(attempt.detail) <= 500 for attempt in world.attempts())
    memory = Path(f"/proc/{worker.pid}/status").read_text(encoding="utf-8")
    peak_kb = int(next(line for line in memory.splitlines() if line.startswith("VmHWM")).split()[1])
    assert peak_kb < 400_000


@ON_SQLITE
def test_a_clock_that_is_moved_back_holds_up_nothing(world: World) -> None:
    now = {"ahead": timedelta(hours=2)}
    worker = Worker(world.settings, clock=lambda: datetime.now(UTC) + now["ahead"])
    world.send(1, "status/503")
    running = threading.Thread(target=worker.run)
    running.start()
    try:
        until(lambda: world.attempts())
        outbox.send(world.hook("ok", not_before=datetime.now(UTC) + timedelta(seconds=0.1)))
        now["ahead"] = timedelta(0)
        until(lambda: all_done(world), within_s=60)
    finally:
        worker.stop()
        running.join(30)
    assert sorted(world.states()) == ["dead", "delivered"]


@ON_SQLITE
def test_a_clock_that_is_moved_forward_sends_nothing_twice_and_loses_nothing(world: World) -> None:
    now = {"ahead": timedelta(0)}
    worker = Worker(world.settings, clock=lambda: datetime.now(UTC) + now["ahead"])
    running = threading.Thread(target=worker.run)
    running.start()
    try:
        world.send(50, "slow/0.3")
        until(lambda: world.receiver.got())
        now["ahead"] = timedelta(minutes=30)
        until(lambda: all_done(world))
    finally:
        worker.stop()
        running.join(30)
    assert world.states() == {"delivered": 50}


@ON_SQLITE
def test_no_secret_is_in_any_log_or_record(twilio: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made, secret = endpoints.create("ops", twilio.receiver.url("status/500"), "ada")
    query = "http://127.0.0.1:9/hook?key=query-secret-9"
    outbox.send(
        NewNotification("x", (Target("webhook", made.endpoint_id), Target("webhook", query))),
        NewNotification("n1", (Target("sms", "+14155550100"),)),
    )
    twilio.start_worker()
    until(lambda: all_done(twilio))
    twilio.stop_workers()
    said = twilio.worker_log.read_text(encoding="utf-8") + str([attempt.detail for attempt in twilio.attempts()])
    said += str([(row.lane, row.reason) for row in twilio.rows()])
    key = (twilio.home / "secrets" / "outbox.key").read_text(encoding="ascii")
    own = secret_file(twilio.home).read_text(encoding="ascii")
    for hidden in (secret.get_secret_value(), secret.get_secret_value()[6:], own[6:], key, TOKEN, "query-secret-9"):
        assert hidden not in said


@ON_SQLITE
def test_a_full_disk_loses_nothing_that_was_accepted(world: World, dsn: str) -> None:
    world.send(50)
    pages = world_pages(dsn)
    engine().dispose()
    # SQLite's own limit of pages fails with the same error as a disk without room, and needs no file system of its own.
    with engine().connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        refused, insert = 0, "INSERT INTO gone_recipients VALUES (?, 'webhook', ?, '2026-01-01', 'x')"
        for number in range(200):
            try:
                connection.exec_driver_sql(insert, (str(number), "x" * 4000))
            except OperationalError:
                refused += 1
        connection.rollback()
    assert refused
    world.start_worker()
    until(lambda: world.states() == {"delivered": 50})


def world_pages(dsn: str) -> int:
    with engine().connect() as connection:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar() or 0)


@pytest.fixture
def stoppable(world: World) -> tuple[list[str], list[str]]:
    """Commands that stop and start the PostgreSQL server of this test."""
    with engine().connect() as connection:
        data = connection.exec_driver_sql("SHOW data_directory").scalar()
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))[-1]
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    options = Path(f"{data}/postmaster.opts").read_text(encoding="utf-8").strip()
    arguments = options.split(" ", 1)[1].replace('"', "")
    start = [
        *as_user,
        str(programs),
        "-D",
        str(data),
        "-l",
        f"{Path(str(data)).parent}/log",
        "-w",
        "-o",
        arguments,
        "start",
    ]
    return [*as_user, str(programs), "-D", str(data), "-m", "immediate", "stop"], start


def database_down(world: World, stoppable: tuple[list[str], list[str]], for_s: float) -> None:
    stop, start = stoppable
    world.start_worker()
    world.send(200, "slow/0.05")
    until(lambda: world.receiver.got())
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/tmp"}
    subprocess.run(stop, **quiet)  # type: ignore[call-overload]
    time.sleep(for_s)
    subprocess.run(start, **quiet)  # type: ignore[call-overload]
    engine().dispose()
    until(lambda: world.states() == {"delivered": 200}, within_s=60)
    assert {int(one.number) for one in world.receiver.got()} == set(range(200))
    assert world.workers[0].poll() is None


@ON_POSTGRESQL
def test_a_database_that_is_away_for_a_moment_is_waited_for(
    world: World, stoppable: tuple[list[str], list[str]]
) -> None:
    database_down(world, stoppable, 3)


@pytest.mark.slow
@ON_POSTGRESQL
def test_a_database_that_is_away_for_thirty_seconds_is_waited_for(
    world: World, stoppable: tuple[list[str], list[str]]
) -> None:
    database_down(world, stoppable, 30)
