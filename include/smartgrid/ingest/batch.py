"""Landing: one Parquet file and one row in the store per batch. Repeating it changes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from smartgrid.ingest.landing import ANCHOR
from smartgrid.ingest.source import LATE
from smartgrid.lake.dataset_ref import DatasetMissing, DatasetRef
from smartgrid.lake.files import exists, join, read_parquet, write_parquet
from smartgrid.lake.landing import LANDING_SCHEMA
from smartgrid.lake.measurements import UTC_TIME
from smartgrid.lake.window import Window
from smartgrid.store import session
from smartgrid.store.models import Batch


@dataclass(frozen=True, slots=True)
class Landed:
    """A batch that is in the lake and in the store."""

    batch_id: str
    dataset: DatasetRef
    late_rows: int


def land(root: str, source: str, window: Window, rows: pl.DataFrame, known_at: datetime, interval: timedelta) -> Landed:
    """Land `rows` (ANCHORED_SCHEMA and LATE) of `source` read for `window`.

    The id comes from the window and the content, so that a step that failed half-way, or is repeated, lands the same
    batch again. `known_at` is when late rows became known where the source does not say.
    """
    late_first = pl.col(ANCHOR) < window.start
    inside, before = rows.filter(~late_first), rows.filter(late_first)
    kind = source.split("-")[0]
    stem = f"{kind}-{window.start:%Y%m%dT%H%MZ}-{window.end:%Y%m%dT%H%MZ}-{_digest(source, inside)[:10]}"
    batch_id = f"{stem}-{_digest(source, before)[:6]}"
    found = _find(batch_id)
    if found is None and before.is_empty():
        # A repeated step: the late rows of its first run are no longer late, the rest is the same.
        found = _find_like(stem, source, window)
    if found is not None and exists(found.uri):
        return _landed(found, window)
    batch_id = found.batch_id if found is not None else batch_id
    landing = (
        stamped(rows, known_at, interval)
        .with_row_index("row_number")
        .select(pl.col(name).cast(dtype) for name, dtype in LANDING_SCHEMA.items())
    )
    ref = write_parquet(landing, join(root, "landing", f"{batch_id}.parquet"), window, run=batch_id)
    _record(batch_id, source, ref, known_at)
    return Landed(batch_id, ref, before.height)


def stamped(rows: pl.DataFrame, known_at: datetime, interval: timedelta) -> pl.DataFrame:
    """Rows with `available_at`: what the source says, else the end of the interval. Late rows became known at
    `known_at`, which is later: that is how a correction wins over what it corrects."""
    now = pl.lit(known_at, UTC_TIME)
    unsaid = pl.when(pl.col(LATE)).then(now).otherwise(pl.coalesce(pl.col("time") + interval, now))
    return rows.with_columns(pl.coalesce("available_at", unsaid).alias("available_at"))


def frontier(source: str) -> datetime | None:
    """End of the last window that was ingested from `source`."""
    with session() as store:
        return store.scalar(select(func.max(Batch.window_end)).where(Batch.source == source))


def landed_rows(source: str, since: datetime) -> pl.DataFrame | None:
    """Rows of every batch of `source` whose window ends after `since`; None where nothing was ever landed."""
    with session() as store:
        batches = store.scalars(
            select(Batch).where(Batch.source == source, Batch.window_end > since).order_by(Batch.ingested_at)
        ).all()
    frames = []
    for batch in batches:
        try:
            frames.append(read_parquet(_landed(batch, _window(batch), count_late=False).dataset))
        except DatasetMissing:
            # Old batches may have been cleared away; their rows then land once more.
            continue
    return pl.concat(frames) if frames else None


def first_window_start(source: str) -> datetime | None:
    """Start of the earliest window that was ingested from `source`."""
    with session() as store:
        return store.scalar(select(func.min(Batch.window_start)).where(Batch.source == source))


def _digest(source: str, rows: pl.DataFrame) -> str:
    """Digest of what the rows say; the same on every version of every library, unlike that of a Parquet file."""
    if rows.is_empty():
        return "0" * 64
    text = rows.select(name for name in LANDING_SCHEMA if name != "row_number").write_csv()
    return hashlib.sha256(f"{source}\n{text}".encode()).hexdigest()


def _window(batch: Batch) -> Window:
    return Window(batch.window_start, batch.window_end)


def _find(batch_id: str) -> Batch | None:
    with session() as store:
        return store.get(Batch, batch_id)


def _find_like(stem: str, source: str, window: Window) -> Batch | None:
    with session() as store:
        same_window = select(Batch).where(
            Batch.source == source, Batch.window_start == window.start, Batch.window_end == window.end
        )
        batches = store.scalars(same_window.order_by(Batch.ingested_at.desc())).all()
    return next((batch for batch in batches if batch.batch_id.startswith(stem)), None)


def _landed(batch: Batch, window: Window, count_late: bool = True) -> Landed:
    ref = DatasetRef(uri=batch.uri, sha256=batch.sha256, rows=batch.rows, window=window, run=batch.batch_id)
    late_rows = 0
    if count_late:
        rows = read_parquet(ref)
        late_rows = rows.filter(pl.col("time") < window.start).height
    return Landed(batch.batch_id, ref, late_rows)


def _record(batch_id: str, source: str, ref: DatasetRef, ingested_at: datetime) -> None:
    try:
        with session() as store:
            batch = store.get(Batch, batch_id)
            if batch is None:
                batch = Batch(batch_id=batch_id, status="landed")
                store.add(batch)
            batch.source, batch.uri, batch.sha256, batch.rows = source, ref.uri, ref.sha256, ref.rows
            batch.window_start, batch.window_end = ref.window.start, ref.window.end
            batch.ingested_at = ingested_at
    except IntegrityError:
        # The same step ran twice at once: both wrote the same file, the other one recorded it.
        if _find(batch_id) is None:
            raise
