"""What people should hear of a batch: that it was stopped, that much of it was rejected, that all is well again."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from smartgrid.quality.report import Report
from smartgrid.store.events import Event, record_event
from smartgrid.store.models import Batch, Validation

# Below this a source is as good as sources are; the reasons are on the page all the same.
TELLING_SHARE = 0.01
TELLING_ROWS = 24


def record_batch_events(session: Session, batch: Batch, report: Report, cause: str = "") -> None:
    """Add the events of one validated or stopped batch to the caller's transaction, before its Validation."""
    key = f"data:{batch.source}"
    data = {
        "batch": batch.batch_id,
        "source": batch.source,
        "ingested_rows": report.ingested,
        "rejected_rows": report.rejected,
        "reasons": ", ".join(f"{reason} {rows:,}" for reason, rows in sorted(report.reasons.items())),
    }
    window = f"{batch.window_start:%Y-%m-%d %H:%M} to {batch.window_end:%Y-%m-%d %H:%M} UTC"
    if not report.passed:
        subject = f"Measurements from {batch.source} were stopped: {cause}"
        text = f"The batch {batch.batch_id} ({window}) was not accepted: {cause}. Nothing is forecast from it."
        record_event(session, Event("data_stopped", "high", subject, text, dedupe_key=key, data=data))
        return
    if report.rejected >= TELLING_ROWS and report.rejected > TELLING_SHARE * report.ingested:
        share = f"{report.rejected / report.ingested:.1%}"
        subject = f"{share} of the measurements from {batch.source} were rejected"
        text = f"{report.rejected:,} of {report.ingested:,} rows of {window} are in quarantine, each with its reason."
        record_event(session, Event("data_rejected", "medium", subject, text, data=data))
    before = select(Validation.passed).join(Batch, Batch.batch_id == Validation.batch_id)
    newest = before.where(Batch.source == batch.source).order_by(Validation.validation_id.desc()).limit(1)
    if session.scalar(newest) is False:
        subject = f"Measurements from {batch.source} are accepted again"
        record_event(session, Event("data_stopped", "high", subject, dedupe_key=key, data=data, resolves=True))
