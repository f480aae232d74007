"""The outbox on SQLite and on PostgreSQL: what is accepted is delivered, or its failure is kept with the reason."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from outbox_world import World, until
from pydantic import SecretStr
from sqlalchemy import update

from smartgrid.notifications import callbacks, dead_letters, endpoints, history, outbox, subscriptions
from smartgrid.notifications.channel import Delivery, Receipt
from smartgrid.notifications.dead_letters import Which
from smartgrid.notifications.errors import DeliveryFailed, NotADeadLetter, NothingToCancel
from smartgrid.notifications.lease import take
from smartgrid.notifications.model import NewNotification, Target
from smartgrid.notifications.retention import prune
from smartgrid.notifications.router import MOST_EVENTS
from smartgrid.notifications.steps import deliver
from smartgrid.notifications.transaction import write_transaction
from smartgrid.notifications.worker import Worker
from smartgrid.store import session
from smartgrid.store.events import Event, record_event
from smartgrid.store.notification_tables import DeliveryRow, EndpointRow, NotificationRow

SMS = Target("sms", "+14155550100")


class Scripted:
    """A channel that does what it is told, one entry a call, the last one for ever."""

    name = "scripted"

    def __init__(self, *script: Receipt | DeliveryFailed) -> None:
        self.script, self.sent = list(script), list[Delivery]()

    def send(self, delivery: Delivery) -> Receipt:
        self.sent.append(delivery)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, DeliveryFailed):
            raise step
        return step


class Asked(Scripted):
    """One whose provider can be asked."""

    def __init__(self, *script: Receipt | DeliveryFailed, known: Receipt | DeliveryFailed | None) -> None:
        super().__init__(*script)
        self.known, self.questions = known, 0

    def reconcile(self, delivery: Delivery, started_at: datetime) -> Receipt | None:
        self.questions += 1
        if isinstance(self.known, DeliveryFailed):
            raise self.known
        return self.known


def drain(world: World, channel: Scripted | None = None, within_s: float = 10) -> None:
    worker = Worker(world.settings) if channel is None else Worker(world.settings, channel_for=lambda _: channel)
    worker.drain(within_s)


def hurry() -> None:
    """Make everything that waits due now."""
    with session() as transaction:
        now = datetime.now(UTC) - timedelta(seconds=1)
        transaction.execute(update(DeliveryRow).where(DeliveryRow.queue.is_not(None)).values(due_at=now))


def test_what_is_sent_arrives_once_and_its_attempt_is_recorded(world: World) -> None:
    ids = world.send(30)
    drain(world)
    assert sorted(int(got.number) for got in world.receiver.got()) == list(range(30))
    assert world.states() == {"delivered": 30}
    told = history.told(ids[0])
    (attempt,) = told.attempts[told.deliveries[0].delivery_id]
    assert (attempt.outcome, attempt.number, told.state) == ("delivered", 1, "delivered")
    assert {got.webhook_id for got in world.receiver.got()} == {row.delivery_id for row in world.rows()}


def test_a_notification_of_a_transaction_that_fails_never_existed(world: World) -> None:
    def fail() -> None:
        with session() as transaction:
            outbox.add(transaction, [world.hook()])
            raise RuntimeError("after the outbox")

    with pytest.raises(RuntimeError):
        fail()
    assert world.rows() == []


def test_the_same_dedupe_key_adds_one_notification(world: World) -> None:
    first = outbox.send(world.hook(dedupe_key="incident-1"))
    assert outbox.send(world.hook(dedupe_key="incident-1"), world.hook(dedupe_key="incident-2"))[0] == first[0]
    assert len(world.rows()) == 2


def test_two_workers_never_hold_the_same_delivery(world: World) -> None:
    world.send(20)
    now, wanted = datetime.now(UTC), {world.rows()[0].queue or "": 20}
    with write_transaction() as one:
        first = [row.delivery_id for row in take(one, {next(iter(wanted)): 5}, "one", now, timedelta(seconds=9))]
    with write_transaction() as two:
        second = [row.delivery_id for row in take(two, wanted, "two", now, timedelta(seconds=9))]
    assert len(first) == 5
    assert len(second) == 15
    assert not set(first) & set(second)


def test_a_failure_that_may_pass_is_tried_again_with_the_same_id(world: World) -> None:
    world.send(1)
    channel = Scripted(DeliveryFailed("retry", "busy", status=503), DeliveryFailed("retry", "busy"), Receipt("p-1"))
    until(lambda: drain(world, channel) or world.states() == {"delivered": 1})
    assert [delivery.attempt for delivery in channel.sent] == [1, 2, 3]
    assert len({delivery.delivery_id for delivery in channel.sent}) == 1
    assert [(row.outcome, row.status) for row in world.attempts()] == [
        ("retry", 503), ("retry", None), ("delivered", None)
    ]  # fmt: skip


def test_after_the_last_attempt_it_is_a_dead_letter_with_the_reason(world: World) -> None:
    world.send(1)
    channel = Scripted(DeliveryFailed("retry", "busy"))
    until(lambda: drain(world, channel) or world.states() == {"dead": 1})
    (row,) = world.rows()
    assert len(channel.sent) == len(world.settings.outbox.retries_s)
    assert row.reason == "gave up after 4 attempts: busy"


def test_a_receiver_that_asks_for_time_gets_it(world: World) -> None:
    world.send(1)
    drain(world, Scripted(DeliveryFailed("retry", "busy", status=429, retry_after_s=300)))
    (row,) = world.rows()
    assert row.due_at - row.updated_at >= timedelta(seconds=299)


def test_a_hopeless_failure_is_a_dead_letter_at_once_and_can_be_replayed(world: World) -> None:
    world.send(1)
    drain(world, Scripted(DeliveryFailed("permanent", "no such number", status=400)))
    (row,) = world.rows()
    assert (row.state, row.reason) == ("dead", "no such number")
    dead_letters.replay(row.delivery_id, "ada")
    channel = Scripted(Receipt("p-2"))
    drain(world, channel)
    assert [delivery.delivery_id for delivery in channel.sent] == [row.delivery_id]
    assert [attempt.outcome for attempt in world.attempts()] == ["permanent", "replay", "delivered"]
    with pytest.raises(NotADeadLetter):
        dead_letters.replay(row.delivery_id, "ada")


def test_dead_letters_are_replayed_by_condition_and_ambiguous_ones_only_when_asked_for(world: World) -> None:
    world.send(2)
    outbox.send(NewNotification("Line 7 is at 104 %", (SMS,)))
    drain(world, Scripted(DeliveryFailed("permanent", "refused")))
    with session() as transaction:
        sms = DeliveryRow.channel == "sms"
        transaction.execute(update(DeliveryRow).where(sms).values(reason="ambiguous: timed out"))
    assert dead_letters.replay_all(Which(channel="sms"), "ada") == 0
    assert dead_letters.replay_all(Which(channel="sms", include_ambiguous=True), "ada") == 1
    assert dead_letters.replay_all(Which(reason_contains="refu"), "ada") == 2
    assert world.states() == {"pending": 3}


def test_what_expires_before_it_is_delivered_is_a_dead_letter(world: World) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    outbox.send(world.hook(expires_at=soon, not_before=soon + timedelta(hours=1)))
    until(lambda: datetime.now(UTC) > soon)
    drain(world)
    (row,) = world.rows()
    assert row.state == "dead"
    assert row.reason is not None
    assert row.reason.startswith("expired")


def test_a_critical_message_is_not_tried_beyond_its_time(world: World) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=5)
    outbox.send(world.hook(priority="critical", expires_at=expires_at))
    drain(world, Scripted(DeliveryFailed("retry", "busy", retry_after_s=60)))
    (row,) = world.rows()
    assert (row.state, row.reason) == ("dead", "expires before the next attempt: busy")


def test_nothing_is_sent_before_its_time(world: World) -> None:
    outbox.send(world.hook(not_before=datetime.now(UTC) + timedelta(hours=8)))
    drain(world)
    assert world.states() == {"pending": 1}
    assert world.receiver.got() == []


def test_what_waits_can_be_cancelled_and_what_arrived_cannot(world: World) -> None:
    waiting, sent = outbox.send(world.hook(not_before=datetime.now(UTC) + timedelta(hours=8)), world.hook())
    drain(world)
    assert outbox.cancel(waiting, "ada") == 1
    assert history.told(waiting).state == "cancelled"
    with pytest.raises(NothingToCancel):
        outbox.cancel(sent, "ada")


def test_critical_messages_overtake_others(world: World) -> None:
    world.send(300)
    outbox.send(world.hook(message="now", priority="critical", data={"n": "critical"}))
    drain(world)
    order = [got.number for got in world.receiver.got()]
    assert order.index("critical") < 50


def test_a_receiver_that_is_gone_gets_nothing_more(world: World) -> None:
    row, _ = endpoints.create("ops", world.receiver.url("gone"), "ada")
    outbox.send(NewNotification("one", (Target("webhook", row.endpoint_id),)))
    drain(world)
    assert endpoints.known(row.endpoint_id).disabled_at is not None
    outbox.send(NewNotification("two", (Target("webhook", row.endpoint_id),)))
    outbox.send(world.hook("gone"))
    drain(world)
    outbox.send(world.hook("gone"))
    drain(world)
    assert world.states() == {"dead": 4}
    # Once for the endpoint, once for the bare address.
    assert len(world.receiver.got()) == 2


def test_an_endpoint_that_only_failed_for_days_is_disabled(world: World) -> None:
    row, _ = endpoints.create("ops", world.receiver.url("status/503"), "ada")
    outbox.send(NewNotification("one", (Target("webhook", row.endpoint_id),)))
    drain(world)
    assert endpoints.known(row.endpoint_id).failing_since is not None
    with session() as transaction:
        days_ago = datetime.now(UTC) - timedelta(days=6)
        transaction.execute(update(EndpointRow).values(failing_since=days_ago))
    hurry()
    drain(world)
    disabled = endpoints.known(row.endpoint_id)
    assert disabled.disabled_reason is not None
    assert disabled.disabled_reason.startswith("only failures since")


def test_after_a_rotation_both_secrets_sign_until_the_old_one_ends(world: World) -> None:
    row, first = endpoints.create("ops", world.receiver.url(), "ada")
    second = endpoints.rotate(row.endpoint_id, overlap_s=60)
    channel = Scripted(Receipt())
    target = Target("webhook", row.endpoint_id)
    outbox.send(NewNotification("one", (target,)))
    drain(world, channel)
    third = endpoints.rotate(row.endpoint_id, SecretStr("whsec_" + "QUJD" * 10), overlap_s=0)
    outbox.send(NewNotification("two", (target,)))
    drain(world, channel)
    signing = [delivery.endpoint.secrets for delivery in channel.sent if delivery.endpoint]
    assert signing == [(second, first), (third,)]


def test_secrets_and_tokens_are_not_in_the_database(world: World) -> None:
    row, secret = endpoints.create("ops", world.receiver.url(), "ada")
    subscriptions.subscribe_device("fcm", "fcm-device-token-7", "ada")
    subscriptions.subscribe_browser("https://push.example/abc", "p256dh-key-1", "auth-secret-1", "ada")
    with session() as transaction:
        everything = ""
        for table in ("webhook_secrets", "push_subscriptions", "webhook_endpoints"):
            cursor = transaction.connection().exec_driver_sql(f"SELECT * FROM {table}")
            everything += str([[bytes(x) if isinstance(x, memoryview) else x for x in row] for row in cursor])
    for hidden in (secret.get_secret_value(), "fcm-device-token-7", "push.example/abc", "auth-secret-1"):
        assert hidden not in everything
    assert row.endpoint_id in everything


def test_a_subscription_gives_the_channel_its_token_and_dies_with_it(world: World) -> None:
    row = subscriptions.subscribe_device("fcm", "fcm-device-token-7", "ada")
    channel = Scripted(DeliveryFailed("permanent", "unregistered", status=404, disables_recipient=True))
    push = NewNotification("one", (Target("push", row.subscription_id, "fcm"),))
    outbox.send(push)
    drain(world, channel)
    outbox.send(push)
    drain(world, channel)
    assert [delivery.recipient for delivery in channel.sent] == ["fcm-device-token-7"]
    assert subscriptions.listed("ada")[0].disabled_at is not None
    assert subscriptions.subscribe_device("fcm", "fcm-device-token-7", "ada").disabled_at is None


def test_an_sms_of_unknown_fate_is_asked_about_and_never_sent_blindly(world: World) -> None:
    outbox.send(NewNotification("Line 7 is at 104 %", (SMS,)))
    channel = Asked(DeliveryFailed("ambiguous", "no answer"), known=Receipt("SM1", "sent"))
    drain(world, channel)
    assert world.states() == {"ambiguous": 1}
    hurry()
    drain(world, channel)
    assert world.states() == {"delivered": 1}
    assert len(channel.sent) == 1
    assert world.rows()[0].provider_id == "SM1"


def test_an_sms_that_the_provider_surely_does_not_have_is_sent_again(world: World) -> None:
    outbox.send(NewNotification("Line 7 is at 104 %", (SMS,)))
    channel = Asked(DeliveryFailed("ambiguous", "no answer"), Receipt("SM2"), known=None)
    drain(world, channel)
    hurry()
    until(lambda: drain(world, channel) or world.states() == {"delivered": 1})
    assert len(channel.sent) == 2
    assert [row.outcome for row in world.attempts()] == ["ambiguous", "retry", "delivered"]


def test_an_sms_about_which_nobody_can_be_asked_is_a_dead_letter_that_says_so(world: World) -> None:
    outbox.send(NewNotification("Line 7 is at 104 %", (SMS,)))
    channel = Scripted(DeliveryFailed("ambiguous", "no answer"))
    drain(world, channel)
    hurry()
    drain(world, channel)
    (row,) = world.rows()
    assert row.state == "dead"
    assert row.reason is not None
    assert row.reason.startswith("ambiguous: ")
    assert len(channel.sent) == 1


def test_a_later_report_of_the_provider_is_noted_and_a_failure_becomes_a_dead_letter(world: World) -> None:
    outbox.send(NewNotification("Line 7 is at 104 %", (SMS,)))
    drain(world, Scripted(Receipt("SM1", "queued")))
    assert not callbacks.delivery_status("SM0", "delivered")
    assert callbacks.delivery_status("SM1", "sent")
    assert callbacks.delivery_status("SM1", "queued")
    assert world.rows()[0].provider_status == "sent"
    assert callbacks.delivery_status("SM1", "undelivered", "30007")
    (row,) = world.rows()
    assert row.state == "dead"
    assert row.reason is not None
    assert row.reason.startswith("the provider reports undelivered")


def test_a_defect_of_a_channel_costs_one_message_and_not_the_worker(world: World) -> None:
    class Broken(Scripted):
        def send(self, delivery: Delivery) -> Receipt:
            if not self.sent:
                self.sent.append(delivery)
                raise ZeroDivisionError("secret-of-the-library")
            return super().send(delivery)

    world.send(3)
    channel = Broken(Receipt())
    until(lambda: drain(world, channel) or world.states() == {"delivered": 3})
    assert "secret-of-the-library" not in str([row.detail for row in world.attempts()])


def test_a_recorded_event_is_routed_once(world: World) -> None:
    with session() as transaction:
        record_event(transaction, Event("pipeline_failed", "high", "ingest failed", dedupe_key="ingest"))
    assert deliver(10)["routed_events"] == 1
    with session() as transaction:
        assert transaction.connection().exec_driver_sql("SELECT routed_at FROM events").scalar() is not None
    worker = Worker(world.settings)
    worker.drain(5)
    assert worker.tally.routed_events == 0


def test_more_events_than_one_transaction_takes_are_routed_without_a_pause_between(world: World) -> None:
    many = 5 * MOST_EVENTS + 1
    with session() as transaction:
        for number in range(many):
            record_event(transaction, Event("load_alert", "high", "x", zones=("Z1",), dedupe_key=f"storm:{number}"))
    slow = world.settings.model_copy(update={"outbox": world.settings.outbox.model_copy(update={"poll_s": 60.0})})
    worker = Worker(slow)
    running = threading.Thread(target=worker.run)
    began = time.monotonic()
    running.start()
    try:
        until(lambda: worker.tally.routed_events == many, within_s=30)
    finally:
        worker.stop()
        running.join(30)
    # Each pause would last LONGEST_REST_S, 5 s.
    assert time.monotonic() - began < 15


def test_what_is_old_and_finished_is_forgotten_and_what_waits_is_kept(world: World) -> None:
    world.send(3)
    drain(world)
    waiting = outbox.send(world.hook(not_before=datetime.now(UTC) + timedelta(hours=8)))
    with session() as transaction:
        long_ago = datetime.now(UTC) - timedelta(days=100)
        transaction.execute(update(NotificationRow).values(created_at=long_ago))
    assert prune(world.settings)["notifications"] == 3
    assert [row.notification_id for row in world.rows()] == waiting
