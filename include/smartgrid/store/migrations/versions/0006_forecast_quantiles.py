"""Quantiles of forecasts"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = {"load_kw_q10": "quantile 0.1; null: not calibrated", "load_kw_q90": "quantile 0.9; null: not calibrated"}


def upgrade() -> None:
    for name, meaning in COLUMNS.items():
        op.add_column("forecasts", sa.Column(name, sa.Float(), nullable=True, comment=meaning))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("forecasts", name)
