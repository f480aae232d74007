"""Rejected rows, kept whole: `quarantine/<batch_id>.parquet`. Files never change; what a replay repaired is derived."""

from __future__ import annotations

import io

import polars as pl
from sqlalchemy import select

from smartgrid.lake.files import exists, join, read_bytes, write_bytes
from smartgrid.quality.accounting import QUARANTINE_SCHEMA
from smartgrid.store import session
from smartgrid.store.models import Batch

REPLAY_SOURCE = "replay:"


def quarantine_uri(root: str, batch_id: str) -> str:
    return join(root, "quarantine", f"{batch_id}.parquet")


def write_quarantine(root: str, batch_id: str, rejected: pl.DataFrame) -> str:
    """Write the rejected rows (an empty file replaces that of an earlier validation) and return where."""
    uri = quarantine_uri(root, batch_id)
    buffer = io.BytesIO()
    rejected.select(*QUARANTINE_SCHEMA).write_parquet(buffer, compression="zstd")
    write_bytes(uri, buffer.getvalue())
    return uri


def read_quarantine(root: str, batch_id: str) -> pl.DataFrame:
    """Every row that the validation of the batch rejected; empty where there is none."""
    uri = quarantine_uri(root, batch_id)
    if not exists(uri):
        return pl.DataFrame(schema=QUARANTINE_SCHEMA)
    return pl.read_parquet(io.BytesIO(read_bytes(uri)))


def read_open(root: str, batch_id: str) -> pl.DataFrame:
    """Rejected rows of the batch that no replay has repaired yet."""
    return read_quarantine(root, batch_id).filter(~pl.col("row_number").is_in(list(repaired(root, batch_id))))


def repaired(root: str, batch_id: str) -> set[int]:
    """Row numbers that replays of the batch have brought to the lake."""
    accepted: set[int] = set()
    for replay in replays_of(batch_id):
        if replay.status != "validated":
            continue
        rows = pl.read_parquet(io.BytesIO(read_bytes(replay.uri)), columns=["row_number"])["row_number"]
        accepted |= set(rows.to_list()) - set(read_quarantine(root, replay.batch_id)["row_number"].to_list())
    return accepted


def replays_of(batch_id: str) -> list[Batch]:
    """Replay batches of a batch, oldest first."""
    with session() as open_session:
        found = open_session.scalars(
            select(Batch)
            .where(Batch.batch_id.startswith(f"{batch_id}-r", autoescape=True), Batch.source.startswith(REPLAY_SOURCE))
            .order_by(Batch.ingested_at, Batch.batch_id)
        ).all()
    return list(found)


def base_of(batch_id: str, source: str) -> str:
    """The batch that a replay corrects; a batch itself otherwise."""
    return batch_id.rpartition("-r")[0] if source.startswith(REPLAY_SOURCE) else batch_id
