"""Results of mining runs"""

import sqlalchemy as sa
from alembic import op

import smartgrid.store.models

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mining_runs",
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False, comment="load_patterns or event_rules"),
        sa.Column("created_at", smartgrid.store.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("window_start", smartgrid.store.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("window_end", smartgrid.store.models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("data_uri", sa.Text(), nullable=False),
        sa.Column("data_sha256", sa.String(length=64), nullable=False),
        sa.Column("data_rows", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("series", sa.String(length=128), nullable=False, comment="runs with the same text can be compared"),
        sa.Column("previous_run_id", sa.String(length=80), nullable=True),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_index("ix_mining_runs_kind_window_end", "mining_runs", ["kind", "window_end"])
    op.create_table(
        "mining_clusters",
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("cluster", sa.String(length=4), nullable=False, comment="letter"),
        sa.Column("name", sa.Text(), nullable=False, comment="what the shape looks like"),
        sa.Column("size", sa.Integer(), nullable=False, comment="zone-days"),
        sa.Column("matched", sa.Boolean(), nullable=False, comment="the previous run had this shape"),
        sa.Column("shape", sa.JSON(), nullable=False, comment="24 values, local hours, 1 = mean of the day"),
        sa.Column("shape_low", sa.JSON(), nullable=False, comment="10th percentile of the members"),
        sa.Column("shape_high", sa.JSON(), nullable=False, comment="90th percentile of the members"),
        sa.Column("centroid_kw", sa.JSON(), nullable=False, comment="24 values, kW"),
        sa.ForeignKeyConstraint(["run_id"], ["mining_runs.run_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "cluster"),
    )
    op.create_table(
        "mining_zones",
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("zone", sa.String(length=128), nullable=False),
        sa.Column(
            "cluster", sa.String(length=4), nullable=True, comment="most of its recent days; null: none is whole"
        ),
        sa.Column("recent_shares", sa.JSON(), nullable=False, comment="share of its recent days by cluster"),
        sa.Column("shares", sa.JSON(), nullable=False, comment="share of its days in the window by cluster"),
        sa.Column("same_as", sa.String(length=128), nullable=True, comment="zone with the same readings"),
        sa.Column("eps", sa.Float(), nullable=False, comment="DBSCAN radius of the zone, share of the usual load"),
        sa.ForeignKeyConstraint(["run_id"], ["mining_runs.run_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "zone"),
    )
    op.create_table(
        "mining_assignments",
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("zone", sa.String(length=128), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("cluster", sa.String(length=4), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["mining_runs.run_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "zone", "day"),
    )
    op.create_table(
        "mining_outliers",
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("zone", sa.String(length=128), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "distance", sa.Float(), nullable=False, comment="rms difference from the usual day, share of its mean"
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("causes", sa.JSON(), nullable=False, comment="hours, direction, kW, percent"),
        sa.Column("load_kw", sa.JSON(), nullable=False, comment="24 values"),
        sa.Column("usual_kw", sa.JSON(), nullable=False, comment="24 values"),
        sa.ForeignKeyConstraint(["run_id"], ["mining_runs.run_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "zone", "day"),
    )
    op.create_table(
        "mining_itemsets",
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.Column("support", sa.Float(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("maximal", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["mining_runs.run_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "number"),
    )
    op.create_table(
        "mining_rules",
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("antecedent", sa.JSON(), nullable=False),
        sa.Column("consequent", sa.JSON(), nullable=False),
        sa.Column("support", sa.Float(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("lift", sa.Float(), nullable=False),
        sa.Column("leverage", sa.Float(), nullable=False),
        sa.Column("conviction", sa.Float(), nullable=True, comment="null: infinite"),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("p_value", sa.Float(), nullable=False),
        sa.Column("q_value", sa.Float(), nullable=False),
        sa.Column("relation", sa.String(length=16), nullable=False, comment="by construction, expected or new"),
        sa.Column("why", sa.Text(), nullable=False, comment="of the relation"),
        sa.Column("reported", sa.Boolean(), nullable=False, comment="significant, on enough days, not by construction"),
        sa.Column("days", sa.Integer(), nullable=False, comment="different days that it rests on"),
        sa.Column("places", sa.Integer(), nullable=False, comment="different zones that it rests on"),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["mining_runs.run_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "number"),
    )


def downgrade() -> None:
    op.drop_table("mining_rules")
    op.drop_table("mining_itemsets")
    op.drop_table("mining_outliers")
    op.drop_table("mining_assignments")
    op.drop_table("mining_zones")
    op.drop_table("mining_clusters")
    op.drop_index("ix_mining_runs_kind_window_end", table_name="mining_runs")
    op.drop_table("mining_runs")
