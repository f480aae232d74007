"""Whether a model can be served exactly, and what serving it costs; nothing is kept."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.features.frame import FeatureFrame
from smartgrid.savedmodel.export import export
from smartgrid.savedmodel.model_graph import Predictor


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """Size of the SavedModel; milliseconds a row in batches of 1,000 and of one row alone; the largest relative
    difference to the model's library on 10,000 rows; seconds that the export and its proof took."""

    size_mb: float
    ms_per_row: float
    one_row_ms: float
    largest_difference: float
    export_s: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def prove(model: Predictor, rows: FeatureFrame | npt.NDArray[np.float64], folder: Path) -> ExportFacts:
    """Export `model` to a temporary folder below `folder`, compare it on 10,000 rows made of `rows`, and measure.

    Raises:
        NotExportable, ExportParityError
    """
    X = rows.X if isinstance(rows, FeatureFrame) else rows
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".proof-") as temporary:
        report = export(model, Path(temporary) / "saved_model", X)
    return ExportFacts(
        size_mb=round(report.size_bytes / 1e6, 3),
        ms_per_row=report.ms_per_row,
        one_row_ms=report.one_row_ms,
        largest_difference=report.max_relative_difference,
        export_s=report.export_s,
    )
