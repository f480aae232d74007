"""Whether what a recipe made can be served: an export to a temporary folder with its proof, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smartgrid.automl.disk_full import DiskFull, full_disk_in, naming_a_full_disk
from smartgrid.automl.trainer import FittedModel
from smartgrid.features.frame import FeatureFrame
from smartgrid.savedmodel import prove


def prove_candidate(model: FittedModel, rows: FeatureFrame, place: Path) -> dict[str, Any]:
    """Export `model` and compare on `rows`; nothing is left in `place`.

    Returns:
        size_mb, ms_per_row, one_row_ms, largest_difference (relative), export_s

    Raises:
        NotExportable, ExportParityError, DiskFull
    """
    import tensorflow as tf

    try:
        with naming_a_full_disk(place):
            return prove(model, rows, place).as_json()
    except tf.errors.OpError as error:
        # TensorFlow writes by itself and has errors of its own for what the operating system told it.
        if problem := full_disk_in(str(error)):
            raise DiskFull(place, problem) from error
        raise
