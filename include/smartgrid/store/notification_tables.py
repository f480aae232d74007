"""Tables of the store for notifications and their delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from smartgrid.store import routing_tables  # noqa: F401 - adds its tables to the metadata
from smartgrid.store.models import Base

UUID_LENGTH = 36


class NotificationRow(Base):
    """What is to be said, once; a delivery says to whom."""

    __tablename__ = "notifications"

    notification_id: Mapped[str] = mapped_column(String(UUID_LENGTH), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    created_by: Mapped[str] = mapped_column(String(128))
    source: Mapped[str] = mapped_column(String(32), comment="api, routing, airflow, ...")
    subject: Mapped[str | None] = mapped_column(Text, default=None)
    message: Mapped[str] = mapped_column(Text)
    priority: Mapped[str] = mapped_column(String(16), comment="low, medium, high or critical")
    data: Mapped[dict[str, Any]]
    dedupe_key: Mapped[str | None] = mapped_column(String(256), unique=True, default=None)
    event_ids: Mapped[list[Any]]


class DeliveryRow(Base):
    """One notification to one recipient, and how far it is.

    While it waits, `queue` is `RANK|LANE` and `due_at` its time; otherwise `queue` is empty, so that an index scan by
    queue meets only what waits. `updated_at` is when `due_at` or `lease_until` was set: if that lies in the future,
    the clock was moved back.
    """

    __tablename__ = "deliveries"

    delivery_id: Mapped[str] = mapped_column(String(UUID_LENGTH), primary_key=True)
    notification_id: Mapped[str] = mapped_column(
        ForeignKey("notifications.notification_id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    channel: Mapped[str] = mapped_column(String(16))
    platform: Mapped[str | None] = mapped_column(String(16), default=None)
    recipient: Mapped[str] = mapped_column(Text)
    recipient_key: Mapped[str] = mapped_column(String(64), comment="SHA-256 of channel, platform and recipient")
    lane: Mapped[str] = mapped_column(String(256), comment="what is paced together: an endpoint or a provider")
    rank: Mapped[int] = mapped_column(Integer, comment="0 critical .. 3 low")
    state: Mapped[str] = mapped_column(String(16), comment="pending, leased, ambiguous, delivered, dead or cancelled")
    queue: Mapped[str | None] = mapped_column(String(260), default=None)
    due_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(comment="not delivered by then: a dead letter")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    lease_until: Mapped[datetime | None] = mapped_column(default=None, index=True)
    lease_owner: Mapped[str | None] = mapped_column(String(64), default=None)
    lost_leases: Mapped[int] = mapped_column(Integer, default=0, comment="workers that died with it")
    handed_over_at: Mapped[datetime | None] = mapped_column(
        default=None, comment="an unrepeatable message was on its way to the provider from here on"
    )
    finished_at: Mapped[datetime | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(Text, default=None, comment="why it is dead, cancelled or ambiguous")
    provider_id: Mapped[str | None] = mapped_column(String(256), default=None, index=True)
    provider_status: Mapped[str | None] = mapped_column(String(64), default=None)

    __table_args__ = (
        Index("ix_deliveries_queue", "queue", "due_at"),
        Index("ix_deliveries_state", "state", "updated_at"),
    )


class AttemptRow(Base):
    """One try to hand a delivery over. Append-only."""

    __tablename__ = "delivery_attempts"

    attempt_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.delivery_id", ondelete="CASCADE"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime]
    latency_ms: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(
        String(16), comment="delivered, retry, permanent, configuration, ambiguous, expired or callback"
    )
    status: Mapped[int | None] = mapped_column(Integer, default=None, comment="HTTP status of the provider")
    detail: Mapped[str] = mapped_column(Text, default="")
    provider_id: Mapped[str | None] = mapped_column(String(256), default=None)
    worker: Mapped[str] = mapped_column(String(64), default="")


class IdempotencyRow(Base):
    """The answer that was given to a request with an Idempotency-Key."""

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(String(128), primary_key=True)
    key: Mapped[str] = mapped_column(String(256), primary_key=True)
    body_sha256: Mapped[str] = mapped_column(String(64))
    answer: Mapped[list[Any]]
    created_at: Mapped[datetime] = mapped_column(index=True)


class EndpointRow(Base):
    """A registered webhook receiver."""

    __tablename__ = "webhook_endpoints"

    endpoint_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    url: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(128))
    disabled_at: Mapped[datetime | None] = mapped_column(default=None)
    disabled_reason: Mapped[str | None] = mapped_column(Text, default=None)
    failing_since: Mapped[datetime | None] = mapped_column(default=None, comment="first of only failures since then")


class EndpointSecretRow(Base):
    """A signing secret of an endpoint, encrypted. After a rotation two are active until the old one expires."""

    __tablename__ = "webhook_secrets"

    secret_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    endpoint_id: Mapped[str] = mapped_column(
        ForeignKey("webhook_endpoints.endpoint_id", ondelete="CASCADE"), index=True
    )
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None] = mapped_column(default=None)


class SubscriptionRow(Base):
    """A device or a browser that wants pushes. Its token, or address and keys, are encrypted."""

    __tablename__ = "push_subscriptions"

    subscription_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    platform: Mapped[str] = mapped_column(String(16))
    owner: Mapped[str] = mapped_column(String(128), index=True)
    label: Mapped[str] = mapped_column(String(128), default="")
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None] = mapped_column(default=None)
    disabled_reason: Mapped[str | None] = mapped_column(Text, default=None)


class GoneRecipientRow(Base):
    """A recipient of which its provider said that it is gone: nothing is sent there until somebody takes it back."""

    __tablename__ = "gone_recipients"

    recipient_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16))
    recipient: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text)
