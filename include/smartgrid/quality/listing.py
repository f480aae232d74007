"""Read-only views of batches and their quarantine, for commands and pages."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from smartgrid.lake.files import write_bytes
from smartgrid.quality.errors import BatchMissing, QuarantineEmpty
from smartgrid.quality.quarantine import REPLAY_SOURCE, read_open, read_quarantine
from smartgrid.settings import get_settings
from smartgrid.store import migrate, session
from smartgrid.store.models import Batch, Validation


def batches(limit: int) -> list[dict[str, Any]]:
    """Newest batches first. `open`: rejected rows still in quarantine; None for replays, whose rows count there."""
    migrate()
    root = get_settings().lake_root
    with session() as open_session:
        query = select(Batch).order_by(Batch.ingested_at.desc(), Batch.window_start.desc()).limit(limit)
        found = list(open_session.scalars(query))
    return [
        {
            "batch_id": batch.batch_id,
            "status": batch.status,
            "source": batch.source,
            "window_start": batch.window_start.isoformat(),
            "window_end": batch.window_end.isoformat(),
            "rows": batch.rows,
            "accepted": batch.accepted_rows,
            "rejected": batch.rejected_rows,
            "open": _open_rows(root, batch),
        }
        for batch in found
    ]


def describe(batch_id: str, limit: int) -> dict[str, Any]:
    """What the latest validation made of a batch, with up to `limit` open quarantined rows.

    Raises:
        BatchMissing
    """
    migrate()
    batch = _batch(batch_id)
    validation = latest_validation(batch_id)
    rows = read_open(get_settings().lake_root, batch_id)
    return {
        "batch_id": batch.batch_id,
        "status": batch.status,
        "window": f"{batch.window_start.isoformat()} .. {batch.window_end.isoformat()}",
        "accepted": batch.accepted_rows,
        "rejected": batch.rejected_rows,
        "reasons": validation.reasons if validation else {},
        "warnings": validation.warnings if validation else [],
        "expectations": validation.expectations if validation else [],
        "data_docs": validation.data_docs if validation else None,
        "open": rows.height,
        "rows": [
            {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
            for row in rows.head(limit).iter_rows(named=True)
        ],
    }


def export(batch_id: str, path: Path) -> int:
    """Write the open quarantined rows as CSV; return how many.

    Raises:
        BatchMissing, QuarantineEmpty
    """
    migrate()
    _batch(batch_id)
    rows = read_open(get_settings().lake_root, batch_id)
    if not rows.height:
        raise QuarantineEmpty(batch_id)
    text = rows.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.f%:z")
    write_bytes(str(path), text.encode())
    return rows.height


def latest_validation(batch_id: str) -> Validation | None:
    """The newest validation of a batch."""
    with session() as open_session:
        return open_session.scalars(
            select(Validation).where(Validation.batch_id == batch_id).order_by(Validation.validation_id.desc()).limit(1)
        ).first()


def _batch(batch_id: str) -> Batch:
    with session() as open_session:
        batch = open_session.get(Batch, batch_id)
    if batch is None:
        raise BatchMissing(batch_id)
    return batch


def _open_rows(root: str, batch: Batch) -> int | None:
    if batch.source.startswith(REPLAY_SOURCE) or not batch.quarantine_uri:
        return None
    return read_open(root, batch.batch_id).height if read_quarantine(root, batch.batch_id).height else 0
