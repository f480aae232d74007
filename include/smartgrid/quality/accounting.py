"""Split a batch into what goes to the lake and what goes to quarantine. No row is lost, none is invented."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl

from smartgrid.lake.landing import LANDING_SCHEMA
from smartgrid.lake.measurements import MEASUREMENT_SCHEMA
from smartgrid.quality.columnar import Judgement
from smartgrid.quality.errors import AccountingError
from smartgrid.quality.evidence import evidence_of, first_reason
from smartgrid.quality.reasons import codes

QUARANTINE_SCHEMA: dict[str, pl.DataType] = {
    **LANDING_SCHEMA,
    "reason": pl.String(),
    "all_reasons": pl.String(),
    "evidence": pl.String(),
}


@dataclass(frozen=True, slots=True)
class Split:
    """`accepted` has MEASUREMENT_SCHEMA; `rejected` the full original rows with reason and evidence."""

    accepted: pl.DataFrame
    rejected: pl.DataFrame

    @property
    def reasons(self) -> dict[str, int]:
        """Rejected rows by reason, most frequent first."""
        return dict(Counter(self.rejected["reason"].to_list()).most_common())


def split(batch_id: str, landing: pl.DataFrame, judgement: Judgement) -> Split:
    """Divide the landing rows by the judgement.

    Raises:
        AccountingError: the parts do not add up to the whole.
    """
    rows = np.flatnonzero(~judgement.accepted)
    masks = judgement.mask[rows].tolist()
    rejected = landing[rows].with_columns(
        pl.Series("reason", [first_reason(mask) for mask in masks], dtype=pl.String),
        pl.Series("all_reasons", [",".join(codes(mask)) for mask in masks], dtype=pl.String),
        pl.Series("evidence", evidence_of(judgement.findings, rows), dtype=pl.String),
    )
    accepted = landing.filter(pl.Series(judgement.accepted)).select(*MEASUREMENT_SCHEMA)
    balanced(batch_id, landing.height, accepted.height, rejected.height)
    return Split(accepted, rejected)


def balanced(batch_id: str, ingested: int, accepted: int, rejected: int) -> None:
    """Raise AccountingError unless accepted + rejected = ingested."""
    if accepted + rejected != ingested:
        raise AccountingError(batch_id, ingested, accepted, rejected)
