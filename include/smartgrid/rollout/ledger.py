"""The promotion ledger: append-only, and the one truth of what was promoted when, by whom and why."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from smartgrid.store import session
from smartgrid.store.models import Promotion


def history(model_name: str, limit: int = 50) -> list[Promotion]:
    """Newest first."""
    with session() as open_session:
        rows = open_session.scalars(
            select(Promotion)
            .where(Promotion.model_name == model_name)
            .order_by(Promotion.promotion_id.desc())
            .limit(limit)
        )
        return list(rows)


def current(model_name: str) -> Promotion | None:
    """The promotion in force, or None where nothing was ever promoted."""
    newest = history(model_name, limit=1)
    return newest[0] if newest else None


def append(
    model_name: str, version: int, *, decided_by: str, reason: str, run_id: str | None, mlflow_run_id: str | None
) -> Promotion:
    """Record that `version` serves from now on; a version lower than the one in force is a rollback.

    Recording the version in force again adds nothing.
    """
    in_force = current(model_name)
    if in_force is not None and in_force.version == version:
        return in_force
    row = Promotion(
        decided_at=datetime.now(UTC),
        model_name=model_name,
        version=version,
        action="rollback" if in_force is not None and version < in_force.version else "promote",
        decided_by=decided_by,
        reason=reason,
        run_id=run_id,
        mlflow_run_id=mlflow_run_id,
    )
    with session() as open_session:
        open_session.add(row)
    return row
