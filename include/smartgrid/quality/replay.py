"""Validate quarantined rows again: corrected by a person, or as they are under today's limits.

A replay is a batch of its own, `<batch_id>-r1`, `-r2`, ...: its accepted rows go to the lake with a later
`available_at`, so that they win; its rejected rows stay in the quarantine of the original. The same correction under
the same limits is the same replay: repeating it changes nothing.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from smartgrid import clock, lake
from smartgrid.errors import NothingToDo
from smartgrid.lake.files import join
from smartgrid.lake.landing import LANDING_SCHEMA
from smartgrid.quality.correction import read_correction
from smartgrid.quality.errors import BatchMissing, QuarantineEmpty
from smartgrid.quality.quarantine import REPLAY_SOURCE, base_of, read_open, read_quarantine, repaired, replays_of
from smartgrid.quality.steps import validate
from smartgrid.settings import Settings, get_settings
from smartgrid.store import migrate, session
from smartgrid.store.models import Batch


def replay(batch_id: str, corrected: Path | None = None) -> dict[str, Any]:
    """Replay the open quarantined rows of a batch, or those in the file `corrected` (CSV with the export's columns).

    Returns:
        `{"batch_id", "accepted", "rejected", "open", "repeated"}`: `open` rows are still in quarantine; `repeated`
        says that this very replay was done before.

    Raises:
        BatchMissing, QuarantineEmpty, CorrectionUnreadable
        NothingToDo: no quarantined row is open.
    """
    migrate()
    settings = get_settings()
    base = _base(batch_id)
    quarantined = read_quarantine(settings.lake_root, base.batch_id)
    if not quarantined.height:
        raise QuarantineEmpty(base.batch_id)
    rows = quarantined if corrected is None else read_correction(corrected, quarantined)
    rows = rows.select(*LANDING_SCHEMA).sort("row_number")
    done = repaired(settings.lake_root, base.batch_id)
    if corrected is None:
        rows = rows.filter(~pl.col("row_number").is_in(list(done)))
        if not rows.height:
            raise NothingToDo(f"every quarantined row of batch {base.batch_id} has been repaired")
    source = REPLAY_SOURCE + _fingerprint(rows, settings)
    earlier = next((one for one in replays_of(base.batch_id) if one.source == source), None)
    if earlier is None:
        rows = rows.filter(~pl.col("row_number").is_in(list(done)))
        if not rows.height:
            raise NothingToDo(f"every row of the file has been repaired in batch {base.batch_id} before")
        earlier = _land(base, rows, source, settings)
    repeated = earlier.status == "validated"
    if not repeated:  # new, or landed by a replay that was interrupted
        validate(earlier.batch_id)
    with session() as open_session:
        outcome = open_session.get_one(Batch, earlier.batch_id)
    return {
        "batch_id": outcome.batch_id,
        "accepted": outcome.accepted_rows,
        "rejected": outcome.rejected_rows,
        "open": read_open(settings.lake_root, base.batch_id).height,
        "repeated": repeated,
    }


def _base(batch_id: str) -> Batch:
    with session() as open_session:
        batch = open_session.get(Batch, batch_id)
        if batch is not None:
            batch = open_session.get(Batch, base_of(batch.batch_id, batch.source))
    if batch is None:
        raise BatchMissing(batch_id)
    return batch


def _fingerprint(rows: pl.DataFrame, settings: Settings) -> str:
    """Same rows under the same limits: the same replay."""
    content = rows.drop("available_at").write_json() + settings.limits.model_dump_json()
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _land(base: Batch, rows: pl.DataFrame, source: str, settings: Settings) -> Batch:
    now = clock.now(settings) if clock.started(settings) else base.window_end
    known = pl.max_horizontal("available_at", pl.lit(now).dt.cast_time_unit("us"))
    # A microsecond later than the reading that it may correct, which can have become known just now.
    rows = rows.with_columns(available_at=(known + pl.duration(microseconds=1)).cast(LANDING_SCHEMA["available_at"]))
    batch_id = f"{base.batch_id}-r{len(replays_of(base.batch_id)) + 1}"
    window = lake.Window(base.window_start, max(base.window_end, base.window_start + timedelta(microseconds=1)))
    ref = lake.write_parquet(rows, join(settings.lake_root, "landing", f"{batch_id}.parquet"), window)
    batch = Batch(
        batch_id=batch_id,
        source=source,
        window_start=base.window_start,
        window_end=base.window_end,
        uri=ref.uri,
        sha256=ref.sha256,
        rows=rows.height,
        ingested_at=now,
        status="landed",
    )
    with session() as open_session:
        open_session.add(batch)
    return batch
