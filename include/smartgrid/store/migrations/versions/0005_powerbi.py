"""Refreshes of Power BI datasets, their requests, exports of reports"""

import sqlalchemy as sa
from alembic import op

import smartgrid.store.models

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "powerbi_datasets",
        sa.Column("workspace_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=64), nullable=False),
        sa.Column("decided_at", smartgrid.store.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "last_state", sa.String(length=16), nullable=True, comment="how the newest ended refresh of ours ended"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "dataset_id"),
    )
    op.create_table(
        "powerbi_exports",
        sa.Column("export_id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=64), nullable=False),
        sa.Column("report_id", sa.String(length=64), nullable=False),
        sa.Column("report_name", sa.Text(), nullable=False),
        sa.Column("file_format", sa.String(length=8), nullable=False),
        sa.Column("requested_by", sa.String(length=128), nullable=False),
        sa.Column("requested_at", smartgrid.store.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False, comment="running, succeeded or failed"),
        sa.Column("job_id", sa.Text(), nullable=True, comment="the service's name of the export"),
        sa.Column("body", sa.JSON(), nullable=False, comment="what was asked of the service"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", smartgrid.store.models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("export_id"),
    )
    op.create_table(
        "powerbi_refreshes",
        sa.Column("refresh_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("workspace_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=64), nullable=False),
        sa.Column("reserved_at", smartgrid.store.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "lease_until",
            smartgrid.store.models.UtcDateTime(timezone=True),
            nullable=False,
            comment="until then whoever reserved it is starting it",
        ),
        sa.Column("covers_request_id", sa.Integer(), nullable=False, comment="serves the requests up to this one"),
        sa.Column(
            "state",
            sa.String(length=16),
            nullable=False,
            comment="reserved, in_doubt, running; completed, failed, cancelled, disabled, timed_out, unknown, lost",
        ),
        sa.Column("enhanced", sa.Boolean(), nullable=False),
        sa.Column("service_ids", sa.JSON(), nullable=False, comment="what the service may call it"),
        sa.Column("known_before", sa.JSON(), nullable=False, comment="refreshes listed before its start"),
        sa.Column(
            "service_time",
            smartgrid.store.models.UtcDateTime(timezone=True),
            nullable=True,
            comment="service's clock before its start",
        ),
        sa.Column(
            "seen_at",
            smartgrid.store.models.UtcDateTime(timezone=True),
            nullable=True,
            comment="first seen at the service",
        ),
        sa.Column("cancel_asked_at", smartgrid.store.models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_at", smartgrid.store.models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False, comment="why it failed, in the service's words"),
        sa.PrimaryKeyConstraint("refresh_id"),
    )
    op.create_index("ix_powerbi_refreshes_dataset", "powerbi_refreshes", ["dataset_id", "reserved_at"], unique=False)
    op.create_table(
        "powerbi_requests",
        sa.Column("request_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("workspace_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=64), nullable=False),
        sa.Column(
            "request_key",
            sa.String(length=512),
            nullable=True,
            comment="names the caller, so that it finds its request again after a crash",
        ),
        sa.Column("requested_at", smartgrid.store.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.String(length=256), nullable=False),
        sa.Column(
            "state",
            sa.String(length=16),
            nullable=False,
            comment="open, or how it ended: the refresh's state, budget_spent, refused, withdrawn",
        ),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("refresh_id", sa.Integer(), nullable=True, comment="the refresh that served it"),
        sa.Column("closed_at", smartgrid.store.models.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_powerbi_requests_key", "powerbi_requests", ["request_key"], unique=False)
    op.create_index("ix_powerbi_requests_open", "powerbi_requests", ["dataset_id", "state"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_powerbi_requests_open", table_name="powerbi_requests")
    op.drop_index("ix_powerbi_requests_key", table_name="powerbi_requests")
    op.drop_table("powerbi_requests")
    op.drop_index("ix_powerbi_refreshes_dataset", table_name="powerbi_refreshes")
    op.drop_table("powerbi_refreshes")
    op.drop_table("powerbi_exports")
    op.drop_table("powerbi_datasets")
