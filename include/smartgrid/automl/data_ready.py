"""Data for a first tournament: the history of the configured source, landed and validated where the lake is empty."""

from __future__ import annotations

from smartgrid.automl.trainer import Progress
from smartgrid.errors import NothingToDo
from smartgrid.ingest import steps as ingest
from smartgrid.lake.measurements import zones
from smartgrid.quality import steps as quality
from smartgrid.settings import Settings
from smartgrid.store import migrate


def ensure_data(settings: Settings, progress: Progress) -> None:
    """Ingest and validate the history of the source, unless the lake has measurements; what is there stays.

    Raises:
        SmartGridError: the source cannot be read, or validation stopped its data; the message says what to do.
    """
    migrate()
    if zones(settings.lake_root):
        return
    progress(f"the lake is empty: ingesting the history of the source ({settings.source.kind})")
    try:
        window = ingest.plan()
        landed = ingest.ingest(**window)
        progress(f"landed {landed['dataset']['rows']:,} rows of {window['start'][:10]} to {window['end'][:10]}")
    except NothingToDo as nothing:
        progress(f"nothing new to ingest: {nothing.reason}")
    try:
        result = quality.validate()
        progress(f"validated: {result['accepted']:,} rows accepted, {result['rejected']:,} rejected")
    except NothingToDo as nothing:
        progress(f"nothing to validate: {nothing.reason}")
