"""A fitted model as a SavedModel that any TensorFlow Serving loads: core operations, float64, proof before delivery.

Signatures: `serving_default` takes `features` float64 [n, k] in the order of the feature schema; `named_columns` takes
one float64 [n] input per feature. Both answer `load_kw` float64 [n].
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.features.schema import FeatureSchema
from smartgrid.savedmodel.assets import (
    KNOWN_ANSWERS_FILE,
    SCHEMA_FILE,
    WARMUP_FILE,
    KnownAnswers,
    fingerprint,
    size_bytes,
)
from smartgrid.savedmodel.builder import Builder, Tensor, TensorFunction
from smartgrid.savedmodel.model_graph import Predictor, compile_model
from smartgrid.savedmodel.parity import CHECK_ROWS, CheckRows, check_rows, largest_difference
from smartgrid.savedmodel.reader import SavedModelReader
from smartgrid.savedmodel.supported import COMPILERS
from smartgrid.savedmodel.warmup import write_warmup_requests
from smartgrid.settings import get_settings

TIMED_ROWS = 500
KNOWN_ROWS = 8


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was exported and how it was proved: differences are relative, `ms_per_row` is of batches of 500 rows."""

    directory: str
    max_relative_difference: float
    checked_rows: int
    size_bytes: int
    ms_per_row: float
    export_s: float
    features: int
    signatures: list[str]
    sha256: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def export(
    model: Predictor, directory: Path, check_X: npt.NDArray[np.float64], *, count: int = CHECK_ROWS
) -> ExportReport:
    """Write `model` to `directory` as a SavedModel, once what was written has been loaded back and compared.

    Args:
        model: a fitted model with `schema` and `predict`.
        directory: replaced if it is there; nothing is left there on an error.
        check_X: held-out feature rows (m, k) to compare on; `count` rows are made of them, a fifth with missing values
            and a fifth out of range.

    Raises:
        NotExportable: a part of the model has no exact translation.
        ExportParityError: the largest relative difference is above 1e-6.
    """
    started = time.monotonic()
    directory.parent.mkdir(parents=True, exist_ok=True)
    rows = check_rows(check_X, model.schema, count)
    expected_kw = model.predict(rows.X)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".exporting-") as temporary:
        written = Path(temporary) / "saved_model"
        _write(model, written, rows)
        reader = SavedModelReader(written)
        largest = largest_difference(expected_kw, reader.predict(rows.X), rows)
        few = CheckRows(rows.X[::97], rows.kind[::97])
        largest = max(largest, largest_difference(expected_kw[::97], reader.predict_named(few.X), few))
        report = ExportReport(
            directory=str(directory),
            max_relative_difference=largest,
            checked_rows=len(rows.X),
            size_bytes=size_bytes(written),
            ms_per_row=_ms_per_row(reader, rows.X[:TIMED_ROWS]),
            export_s=round(time.monotonic() - started, 2),
            features=len(model.schema.names),
            signatures=["serving_default", "named_columns"],
            sha256=fingerprint(written),
        )
        _replace(written, directory)
    return report


def _write(model: Predictor, directory: Path, rows: CheckRows) -> None:
    import tensorflow as tf

    builder = Builder(COMPILERS)
    predict = compile_model(model, builder)
    module = tf.Module()
    module.parameters = builder.variables
    tf.saved_model.save(module, str(directory), signatures=_signatures(predict, model.schema))
    known = np.nan_to_num(rows.X[rows.kind == 0][:KNOWN_ROWS])  # JSON has no NaN
    (directory / SCHEMA_FILE).parent.mkdir(exist_ok=True)
    (directory / SCHEMA_FILE).write_text(model.schema.model_dump_json(indent=2), encoding="utf-8")
    KnownAnswers(known, model.predict(known)).write(directory / KNOWN_ANSWERS_FILE)
    write_warmup_requests(directory / WARMUP_FILE, get_settings().model_name, known)


def _signatures(predict: TensorFunction, schema: FeatureSchema) -> dict[str, Any]:
    import tensorflow as tf

    def serving_default(features: Tensor) -> dict[str, Tensor]:
        return {"load_kw": predict(features)}

    def named_columns(**columns: Tensor) -> dict[str, Tensor]:
        return {"load_kw": predict(tf.stack([columns[name] for name in schema.names], axis=1))}

    row = tf.TensorSpec([None, len(schema.names)], tf.float64, name="features")
    single = {name: tf.TensorSpec([None], tf.float64, name=name) for name in schema.names}
    return {
        "serving_default": tf.function(serving_default).get_concrete_function(row),
        "named_columns": tf.function(named_columns).get_concrete_function(**single),
    }


def _ms_per_row(reader: SavedModelReader, X: npt.NDArray[np.float64]) -> float:
    reader.predict(X)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        reader.predict(X)
        seconds.append(time.perf_counter() - started)
    return round(1000 * min(seconds) / len(X), 5)


def _replace(written: Path, directory: Path) -> None:
    """Rename into place. A folder cannot be replaced in one step: the old one steps aside first."""
    aside = written.with_name("replaced")
    if directory.exists():
        os.rename(directory, aside)
    os.rename(written, directory)
    shutil.rmtree(aside, ignore_errors=True)
