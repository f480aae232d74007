"""Notifications, deliveries, attempts, endpoints"""

import sqlalchemy as sa
from alembic import op

from smartgrid.store.models import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gone_recipients",
        sa.Column("recipient_key", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("since", UtcDateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("recipient_key"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "notifications",
        sa.Column("notification_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False, comment="api, routing, airflow, ..."),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("priority", sa.String(length=16), nullable=False, comment="low, medium, high or critical"),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=256), nullable=True),
        sa.Column("event_ids", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("notification_id"),
        sa.UniqueConstraint("dedupe_key"),
    )
    op.create_index("ix_notifications_created_at", "notifications", ["created_at"], unique=False)
    op.create_table(
        "push_subscriptions",
        sa.Column("subscription_id", sa.String(length=32), nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("subscription_id"),
        sa.UniqueConstraint("token_sha256"),
    )
    op.create_index("ix_push_subscriptions_owner", "push_subscriptions", ["owner"], unique=False)
    op.create_table(
        "webhook_endpoints",
        sa.Column("endpoint_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("disabled_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column(
            "failing_since", UtcDateTime(timezone=True), nullable=True, comment="first of only failures since then"
        ),
        sa.PrimaryKeyConstraint("endpoint_id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.String(length=36), nullable=False),
        sa.Column("notification_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column(
            "recipient_key", sa.String(length=64), nullable=False, comment="SHA-256 of channel, platform and recipient"
        ),
        sa.Column(
            "lane", sa.String(length=256), nullable=False, comment="what is paced together: an endpoint or a provider"
        ),
        sa.Column("rank", sa.Integer(), nullable=False, comment="0 critical .. 3 low"),
        sa.Column(
            "state",
            sa.String(length=16),
            nullable=False,
            comment="pending, leased, ambiguous, delivered, dead or cancelled",
        ),
        sa.Column("queue", sa.String(length=260), nullable=True),
        sa.Column("due_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "expires_at", UtcDateTime(timezone=True), nullable=False, comment="not delivered by then: a dead letter"
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", UtcDateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lost_leases", sa.Integer(), nullable=False, comment="workers that died with it"),
        sa.Column(
            "handed_over_at",
            UtcDateTime(timezone=True),
            nullable=True,
            comment="an unrepeatable message was on its way to the provider from here on",
        ),
        sa.Column("finished_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is dead, cancelled or ambiguous"),
        sa.Column("provider_id", sa.String(length=256), nullable=True),
        sa.Column("provider_status", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["notification_id"], ["notifications.notification_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    op.create_index("ix_deliveries_lease_until", "deliveries", ["lease_until"], unique=False)
    op.create_index("ix_deliveries_notification_id", "deliveries", ["notification_id"], unique=False)
    op.create_index("ix_deliveries_provider_id", "deliveries", ["provider_id"], unique=False)
    op.create_index("ix_deliveries_queue", "deliveries", ["queue", "due_at"], unique=False)
    op.create_index("ix_deliveries_state", "deliveries", ["state", "updated_at"], unique=False)
    op.create_table(
        "webhook_secrets",
        sa.Column("secret_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("endpoint_id", sa.String(length=32), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["endpoint_id"], ["webhook_endpoints.endpoint_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("secret_id"),
    )
    op.create_index("ix_webhook_secrets_endpoint_id", "webhook_secrets", ["endpoint_id"], unique=False)
    op.create_table(
        "delivery_attempts",
        sa.Column("attempt_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column(
            "outcome",
            sa.String(length=16),
            nullable=False,
            comment="delivered, retry, permanent, configuration, ambiguous, expired or callback",
        ),
        sa.Column("status", sa.Integer(), nullable=True, comment="HTTP status of the provider"),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.String(length=256), nullable=True),
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.delivery_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("attempt_id"),
    )
    op.create_index("ix_delivery_attempts_delivery_id", "delivery_attempts", ["delivery_id"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        # A queue: most of its rows change several times within seconds, long before a fifth of the table has.
        op.execute("ALTER TABLE deliveries SET (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 80)")

    _create_routing_tables()


def downgrade() -> None:
    _drop_routing_tables()
    op.drop_index("ix_delivery_attempts_delivery_id", table_name="delivery_attempts")
    op.drop_table("delivery_attempts")
    op.drop_index("ix_webhook_secrets_endpoint_id", table_name="webhook_secrets")
    op.drop_table("webhook_secrets")
    op.drop_index("ix_deliveries_state", table_name="deliveries")
    op.drop_index("ix_deliveries_queue", table_name="deliveries")
    op.drop_index("ix_deliveries_provider_id", table_name="deliveries")
    op.drop_index("ix_deliveries_notification_id", table_name="deliveries")
    op.drop_index("ix_deliveries_lease_until", table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_table("webhook_endpoints")
    op.drop_index("ix_push_subscriptions_owner", table_name="push_subscriptions")
    op.drop_table("push_subscriptions")
    op.drop_index("ix_notifications_created_at", table_name="notifications")
    op.drop_table("notifications")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("gone_recipients")


def _create_routing_tables() -> None:
    op.create_table(
        "conditions",
        sa.Column("condition_key", sa.String(length=256), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("first_seen_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("times_seen", sa.Integer(), nullable=False),
        sa.Column("last_routed_at", UtcDateTime(timezone=True), nullable=True, comment="start of the dedupe window"),
        sa.Column("resolved_at", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("condition_key"),
    )
    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("receiver", sa.String(length=64), nullable=False),
        sa.Column("group_key", sa.String(length=256), nullable=False),
        sa.Column("open_key", sa.String(length=330), nullable=True),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("place", sa.String(length=256), nullable=False, comment="name of the group for people"),
        sa.Column("severity", sa.String(length=16), nullable=False, comment="the worst so far"),
        sa.Column("subject", sa.Text(), nullable=False, comment="of the newest message"),
        sa.Column("opened_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_event_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("keyless_events", sa.Integer(), nullable=False, comment="of no condition: nothing resolves them"),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("last_told_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("next_message_at", UtcDateTime(timezone=True), nullable=True, comment="when what waits is told"),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("policy", sa.String(length=64), nullable=True, comment="escalation policy"),
        sa.Column("escalation_level", sa.Integer(), nullable=False),
        sa.Column("next_escalation_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=128), nullable=True),
        sa.Column("closed_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("close_reason", sa.String(length=32), nullable=True, comment="resolved, idle or by a person"),
        sa.PrimaryKeyConstraint("incident_id"),
        sa.UniqueConstraint("open_key"),
    )
    op.create_index("ix_incidents_group", "incidents", ["receiver", "group_key", "closed_at"], unique=False)
    op.create_index("ix_incidents_last_event_at", "incidents", ["closed_at", "last_event_at"], unique=False)
    op.create_index("ix_incidents_next_escalation_at", "incidents", ["next_escalation_at"], unique=False)
    op.create_index("ix_incidents_next_message_at", "incidents", ["next_message_at"], unique=False)
    op.create_table(
        "recorded_once",
        sa.Column("once_key", sa.String(length=128), nullable=False),
        sa.Column("recorded_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("once_key"),
    )
    op.create_index(op.f("ix_recorded_once_recorded_at"), "recorded_once", ["recorded_at"], unique=False)
    op.create_table(
        "silences",
        sa.Column("silence_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("matcher", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("starts_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("silence_id"),
    )
    op.create_index(op.f("ix_silences_expires_at"), "silences", ["expires_at"], unique=False)
    op.create_table(
        "incident_conditions",
        sa.Column("incident_id", sa.Integer(), nullable=False),
        sa.Column("condition_key", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.incident_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_id", "condition_key"),
    )
    op.create_index(
        op.f("ix_incident_conditions_condition_key"), "incident_conditions", ["condition_key"], unique=False
    )
    op.create_table(
        "routing_decisions",
        sa.Column("event_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("receiver", sa.String(length=64), nullable=False, comment="empty: no receiver"),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column(
            "outcome",
            sa.String(length=16),
            nullable=False,
            comment="told, waiting, duplicate, silenced, recorded, unrouted, resolves, overtaken",
        ),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Integer(), nullable=True),
        sa.Column("decided_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.event_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("event_id", "receiver"),
    )
    op.create_index("ix_routing_decisions_incident", "routing_decisions", ["incident_id", "outcome"], unique=False)


def _drop_routing_tables() -> None:
    op.drop_index("ix_routing_decisions_incident", table_name="routing_decisions")
    op.drop_table("routing_decisions")
    op.drop_index(op.f("ix_incident_conditions_condition_key"), table_name="incident_conditions")
    op.drop_table("incident_conditions")
    op.drop_index(op.f("ix_silences_expires_at"), table_name="silences")
    op.drop_table("silences")
    op.drop_index(op.f("ix_recorded_once_recorded_at"), table_name="recorded_once")
    op.drop_table("recorded_once")
    op.drop_index("ix_incidents_next_message_at", table_name="incidents")
    op.drop_index("ix_incidents_next_escalation_at", table_name="incidents")
    op.drop_index("ix_incidents_last_event_at", table_name="incidents")
    op.drop_index("ix_incidents_group", table_name="incidents")
    op.drop_table("incidents")
    op.drop_table("conditions")
