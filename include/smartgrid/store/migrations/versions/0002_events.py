"""Events: what happened that people may have to hear of"""

import sqlalchemy as sa
from alembic import op

import smartgrid.store.models

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("recorded_at", smartgrid.store.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False, comment="low, medium, high or critical"),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("zones", sa.JSON(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=256), nullable=True),
        sa.Column("team", sa.String(length=64), nullable=True),
        sa.Column("run", sa.String(length=256), nullable=True),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("resolves", sa.Boolean(), nullable=False),
        sa.Column("routed_at", smartgrid.store.models.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("ix_events_routed_at", "events", ["routed_at", "event_id"])


def downgrade() -> None:
    op.drop_index("ix_events_routed_at", table_name="events")
    op.drop_table("events")
