"""Recent measurements, for reports"""

import sqlalchemy as sa
from alembic import op

import smartgrid.store.models
from smartgrid.fields import LOAD_KW, TEMPERATURE_C, TIME, ZONE

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "measured_loads",
        sa.Column("zone", sa.String(length=128), nullable=False, comment=ZONE.meaning),
        sa.Column("time", smartgrid.store.models.UtcDateTime(timezone=True), nullable=False, comment=TIME.meaning),
        sa.Column("load_kw", sa.Float(), nullable=False, comment=LOAD_KW.meaning),
        sa.Column("temperature_c", sa.Float(), nullable=True, comment=TEMPERATURE_C.meaning),
        sa.PrimaryKeyConstraint("zone", "time"),
    )


def downgrade() -> None:
    op.drop_table("measured_loads")
