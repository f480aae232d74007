"""A fitted model as a SavedModel that any TensorFlow Serving loads: core operations, float64, proof before delivery.

Signatures: `serving_default` takes `features` float64 [n, k] in the order of the feature schema; `named_columns` takes
one float64 [n] input per feature. Both answer `load_kw` float64 [n]. A model with calibrated quantiles has `quantiles`
as well: `features` to `q10`, `q50` and `q90`, float64 [n] in kW.
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
from smartgrid.savedmodel.quantile_graph import QUANTILE_NAMES, expected_quantiles, quantile_function
from smartgrid.savedmodel.reader import SavedModelReader
from smartgrid.savedmodel.reference import library_predictions
from smartgrid.savedmodel.supported import COMPILERS
from smartgrid.savedmodel.warmup import write_warmup_requests
from smartgrid.settings import get_settings

Floats = npt.NDArray[np.float64]
TIMED_ROWS = 1_000
KNOWN_ROWS = 8


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was exported and how it was proved: differences are relative, `ms_per_row` is of batches of 1,000
    rows, `one_row_ms` of one row alone."""

    directory: str
    max_relative_difference: float
    checked_rows: int
    size_bytes: int
    ms_per_row: float
    export_s: float
    features: int
    signatures: list[str]
    sha256: str
    one_row_ms: float = 0.0  # reports of earlier releases have none

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def export(
    model: Predictor,
    directory: Path,
    check_X: Floats,
    *,
    count: int = CHECK_ROWS,
    residual_quantiles: Floats | None = None,
) -> ExportReport:
    """Write `model` to `directory` as a SavedModel, once what was written has been loaded back and compared.

    Args:
        model: a fitted model with `schema` and `predict`; where it was taken out of its library, it is compared with
            what the library predicts.
        directory: replaced if it is there; nothing is left there on an error.
        check_X: held-out feature rows (m, k) to compare on; `count` rows are made of them, a fifth with missing values
            and a fifth out of range.
        residual_quantiles: (slots, 3) quantiles of (actual - predicted) / level; default: those of the model, if it
            has the attribute. With them the SavedModel has the signature `quantiles`.

    Raises:
        NotExportable: a part of the model has no exact translation.
        ExportParityError: the largest relative difference is above 1e-6.
    """
    started = time.monotonic()
    directory.parent.mkdir(parents=True, exist_ok=True)
    if residual_quantiles is None:
        residual_quantiles = getattr(model, "residual_quantiles", None)
    rows = check_rows(check_X, model.schema, count)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".exporting-") as temporary:
        written = Path(temporary) / "saved_model"
        _write(model, written, rows, residual_quantiles)
        reader = SavedModelReader(written)
        report = ExportReport(
            directory=str(directory),
            max_relative_difference=_compare(model, reader, rows, residual_quantiles),
            checked_rows=len(rows.X),
            size_bytes=size_bytes(written),
            ms_per_row=_ms_per_row(reader, rows.X[:TIMED_ROWS]),
            one_row_ms=_ms_per_row(reader, rows.X[:1]),
            export_s=round(time.monotonic() - started, 2),
            features=len(model.schema.names),
            signatures=reader.signatures,
            sha256=fingerprint(written),
        )
        _replace(written, directory)
    return report


def _compare(model: Predictor, reader: SavedModelReader, rows: CheckRows, residual_quantiles: Floats | None) -> float:
    """Largest relative difference of any signature to the model's library.

    Raises:
        ExportParityError
    """
    expected_kw = library_predictions(model, rows.X)
    largest = largest_difference(expected_kw, reader.predict(rows.X), rows)
    few = CheckRows(rows.X[::97], rows.kind[::97])
    largest = max(largest, largest_difference(expected_kw[::97], reader.predict_named(few.X), few))
    if residual_quantiles is not None:
        expected = expected_quantiles(expected_kw, rows.X, residual_quantiles, model.schema)
        exported = reader.predict_quantiles(rows.X)
        for index in range(len(QUANTILE_NAMES)):
            largest = max(largest, largest_difference(expected[:, index], exported[:, index], rows))
    return largest


def _write(model: Predictor, directory: Path, rows: CheckRows, residual_quantiles: Floats | None) -> None:
    import tensorflow as tf

    builder = Builder(COMPILERS)
    predict = compile_model(model, builder)
    quantiles = None
    if residual_quantiles is not None:
        quantiles = quantile_function(predict, residual_quantiles, model.schema, builder)
    module = tf.Module()
    module.parameters = builder.variables
    tf.saved_model.save(module, str(directory), signatures=_signatures(predict, quantiles, model.schema))
    known = np.nan_to_num(rows.X[rows.kind == 0][:KNOWN_ROWS])  # JSON has no NaN
    (directory / SCHEMA_FILE).parent.mkdir(exist_ok=True)
    (directory / SCHEMA_FILE).write_text(model.schema.model_dump_json(indent=2), encoding="utf-8")
    KnownAnswers(known, model.predict(known)).write(directory / KNOWN_ANSWERS_FILE)
    write_warmup_requests(directory / WARMUP_FILE, get_settings().model_name, known)


def _signatures(predict: TensorFunction, quantiles: TensorFunction | None, schema: FeatureSchema) -> dict[str, Any]:
    import tensorflow as tf

    def serving_default(features: Tensor) -> dict[str, Tensor]:
        return {"load_kw": predict(features)}

    def named_columns(**columns: Tensor) -> dict[str, Tensor]:
        return {"load_kw": predict(tf.stack([columns[name] for name in schema.names], axis=1))}

    row = tf.TensorSpec([None, len(schema.names)], tf.float64, name="features")
    single = {name: tf.TensorSpec([None], tf.float64, name=name) for name in schema.names}
    signatures = {
        "serving_default": tf.function(serving_default).get_concrete_function(row),
        "named_columns": tf.function(named_columns).get_concrete_function(**single),
    }
    if quantiles is not None:
        around = quantiles

        def quantiles_default(features: Tensor) -> dict[str, Tensor]:
            values = around(features)
            return {name: values[:, index] for index, name in enumerate(QUANTILE_NAMES)}

        signatures["quantiles"] = tf.function(quantiles_default).get_concrete_function(row)
    return signatures


def _ms_per_row(reader: SavedModelReader, X: npt.NDArray[np.float64]) -> float:
    reader.predict(X)
    seconds = []
    for _ in range(5):
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
