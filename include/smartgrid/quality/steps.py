"""The step `quality.validate`: landed batches become accepted measurements in the lake and rows in quarantine."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import select

from smartgrid import clock, lake
from smartgrid.errors import NothingToDo
from smartgrid.lake import DatasetRef, Window
from smartgrid.lake.files import join, read_bytes
from smartgrid.lake.measurements import MEASUREMENT_SCHEMA, zones
from smartgrid.quality.accounting import split
from smartgrid.quality.batch_events import record_batch_events
from smartgrid.quality.checkpoint import Verdict, run_checkpoint
from smartgrid.quality.columnar import judge
from smartgrid.quality.context import read_context
from smartgrid.quality.errors import BatchMissing, PipelineStopped
from smartgrid.quality.landing import schema_problems
from smartgrid.quality.observations import Scene, observe
from smartgrid.quality.quarantine import REPLAY_SOURCE, write_quarantine
from smartgrid.quality.recent_loads import record_recent_loads
from smartgrid.quality.report import Report
from smartgrid.quality.rules import rules_for
from smartgrid.settings import Settings, get_settings
from smartgrid.store import migrate, session
from smartgrid.store.models import Batch, Validation

Json = dict[str, Any]
# The share of rejected rows says nothing about a batch of a few rows (one late reading): quarantine is enough.
STOP_FROM_ROWS = 24
# A step's result travels through Airflow's database: counts for all batches, details for the newest.
BATCHES_IN_RESULT = 20
WARNINGS_IN_RESULT = 20


def validate(batch_id: str | None = None, retry: bool = False) -> Json:
    """Validate the landed batches, oldest first, or the one batch `batch_id` (again, if it was validated before).

    `retry`: this is another attempt. Where the first one had finished its work but could not say so, the newest batch
    is validated again: the same rows, and an answer that those who wait for it get.

    Returns:
        `{"batches": [...], "accepted", "rejected", "warnings": [...], "dataset"}`; `dataset` is the DatasetRef of the
        accepted rows in the lake.

    Raises:
        NothingToDo: no batch is waiting.
        BatchMissing: there is no such batch.
        PipelineStopped: a batch must not reach the lake. It is recorded as stopped; batches after it stay landed.
    """
    migrate()
    reports, frames = [], []
    for waiting in _waiting(batch_id, retry):
        report, accepted = validate_batch(waiting, get_settings())
        reports.append(report)
        frames.append(accepted)
    accepted = pl.concat(frames)
    # Newest first: of many batches only the latest findings fit.
    warnings = [f"{one.batch_id}: {warning['message']}" for one in reversed(reports) for warning in one.warnings]
    return {
        "batches": [report.summary() for report in reports[-BATCHES_IN_RESULT:]],
        "batch_count": len(reports),
        "accepted": accepted.height,
        "rejected": sum(report.rejected for report in reports),
        "warnings": [text[:200] for text in warnings[:WARNINGS_IN_RESULT]],
        "warning_count": len(warnings),
        "dataset": _dataset(accepted, reports).model_dump(mode="json"),
    }


def validate_batch(batch: Batch, settings: Settings) -> tuple[Report, pl.DataFrame]:
    """Validate one batch and record the outcome.

    The lake is written first, then one transaction records everything: a crash between the two leaves the batch
    landed, and validating it again writes the same rows once more.
    """
    window = Window(batch.window_start, batch.window_end)
    landing = pl.read_parquet(io.BytesIO(read_bytes(batch.uri)))
    if problems := schema_problems(landing):
        raise _stopped(
            batch,
            "its columns are not those of a landing batch",
            {"problems": "; ".join(problems)},
            rows=landing.height,
        )
    if not landing.height:
        raise _stopped(batch, "it has no rows", {"rows": 0})

    is_replay = batch.source.startswith(REPLAY_SOURCE)
    before = _future_from(batch, settings)
    context = read_context(settings.lake_root, landing, before)
    judgement = judge(landing, rules_for(settings, before), context)
    parts = split(batch.batch_id, landing, judgement)
    quarantine_uri = write_quarantine(settings.lake_root, batch.batch_id, parts.rejected)
    scene = Scene(
        landing=landing,
        accepted=parts.accepted,
        context=context,
        lake_zones=frozenset(zones(settings.lake_root)),
        window=window,
        interval=timedelta(minutes=settings.source.interval_minutes),
        timezone=settings.grid_timezone,
        limits=settings.limits,
    )
    report = Report(
        batch_id=batch.batch_id,
        ingested=landing.height,
        accepted=parts.accepted.height,
        rejected=parts.rejected.height,
        reasons=parts.reasons,
        # A handful of corrected rows says nothing about completeness or missing zones.
        warnings=[] if is_replay else observe(scene),
        quarantine_uri=quarantine_uri,
    )
    share = report.rejected / report.ingested
    too_many = share > settings.limits.stop_rejected_share and report.ingested >= STOP_FROM_ROWS
    if too_many and not is_replay:
        limit = settings.limits.stop_rejected_share
        raise _stopped(
            batch,
            "too many of its rows are rejected",
            {"rejected": f"{share:.1%}", "limit": f"{limit:.1%}", "reasons": report.reasons},
            report,
        )
    if parts.accepted.height:
        verdict = run_checkpoint(
            batch.batch_id,
            parts.accepted,
            settings.home,
            allow_negative_load=settings.limits.allow_negative_load,
        )
        report = report.judged(verdict)
        _stop_on_critical(batch, report, verdict)
        lake.upsert_measurements(settings.lake_root, parts.accepted)
    _record(report, "validated", parts.accepted, settings.reporting_days)
    return report, parts.accepted


def _waiting(batch_id: str | None, retry: bool) -> list[Batch]:
    with session() as open_session:
        if batch_id is not None:
            batch = open_session.get(Batch, batch_id)
            if batch is None:
                raise BatchMissing(batch_id)
            return [batch]
        query = select(Batch).where(Batch.status == "landed").order_by(Batch.ingested_at, Batch.window_start)
        found = list(open_session.scalars(query))
        if not found and retry:
            done = select(Batch).where(Batch.status == "validated").order_by(Batch.ingested_at.desc()).limit(1)
            found = list(open_session.scalars(done))
    if not found:
        raise NothingToDo("no landed batch is waiting for validation")
    return found


def _future_from(batch: Batch, settings: Settings) -> datetime:
    """Readings must lie before this: the end of the batch window.

    A replayed row may have been too early for its batch and be due by now. The machine's time is a bound under every
    clock: one reading dated 2099 makes the recorded data, and with them the window, end in 2099.
    """
    end = batch.window_end
    if batch.source.startswith(REPLAY_SOURCE) and clock.started(settings):
        end = max(end, clock.now(settings))
    return min(end, datetime.now(UTC))


def _stop_on_critical(batch: Batch, report: Report, verdict: Verdict) -> None:
    if verdict.critical:
        raise _stopped(
            batch,
            "Great Expectations found the accepted rows unfit",
            {"failed": "; ".join(verdict.critical)},
            report,
        )


def _stopped(
    batch: Batch, cause: str, facts: dict[str, object], report: Report | None = None, rows: int = 0
) -> PipelineStopped:
    """Record the stop, and return the error to raise."""
    if report is None:
        report = Report(batch_id=batch.batch_id, ingested=rows, accepted=0, rejected=0)
    _record(report.stopped(cause), "stopped", cause=cause)
    return PipelineStopped(batch.batch_id, cause, facts)


def _record(
    report: Report, status: str, accepted: pl.DataFrame | None = None, reporting_days: int = 0, cause: str = ""
) -> None:
    with session() as open_session:
        batch = open_session.get_one(Batch, report.batch_id)
        batch.status = status
        batch.accepted_rows, batch.rejected_rows = report.accepted, report.rejected
        batch.quarantine_uri = report.quarantine_uri
        record_batch_events(open_session, batch, report, cause)
        open_session.add(
            Validation(
                batch_id=report.batch_id,
                validated_at=clock.now() if clock.started() else batch.window_end,
                passed=status == "validated",
                ingested_rows=report.ingested,
                accepted_rows=report.accepted,
                rejected_rows=report.rejected,
                reasons=report.reasons,
                warnings=report.warnings,
                expectations=report.expectations,
                data_docs=report.data_docs,
            )
        )
        if accepted is not None and accepted.height:
            record_recent_loads(open_session, accepted, reporting_days)


def _dataset(accepted: pl.DataFrame, reports: list[Report]) -> DatasetRef:
    settings = get_settings()
    first, last = accepted["time"].min(), accepted["time"].max()
    if isinstance(first, datetime) and isinstance(last, datetime):
        window = Window(first, last + timedelta(minutes=settings.source.interval_minutes))
    else:
        with session() as open_session:
            batch = open_session.get_one(Batch, reports[-1].batch_id)
            window = Window(batch.window_start, batch.window_end)
    return DatasetRef(
        uri=join(settings.lake_root, "measurements"),
        sha256=content_sha256(accepted),
        rows=accepted.height,
        window=window,
        run=reports[-1].batch_id,
    )


def content_sha256(accepted: pl.DataFrame) -> str:
    """Checksum of rows of MEASUREMENT_SCHEMA, whatever their order."""
    digest = hashlib.sha256()
    ordered = accepted.select(*MEASUREMENT_SCHEMA).sort("zone", "time")
    for column in ordered.iter_columns():
        values = column.to_physical()
        digest.update(f"{column.name}:{column.null_count()};".encode())
        if values.dtype == pl.String:
            # Names by runs: zones repeat.
            runs = values.rle().struct.unnest()
            digest.update("\0".join(runs["value"].to_list()).encode())
            values = runs["len"]
        digest.update(values.fill_null(float("nan") if values.dtype == pl.Float64 else 0).to_numpy().tobytes())
    return digest.hexdigest()
