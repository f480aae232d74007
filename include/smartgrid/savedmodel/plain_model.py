"""A regression model on plain numbers as a SavedModel: no feature schema, no level, no zones."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from smartgrid.savedmodel.builder import Builder, Tensor, TensorFunction
from smartgrid.savedmodel.errors import ExportParityError, NotExportable
from smartgrid.savedmodel.parity import ALLOWED
from smartgrid.savedmodel.supported import COMPILERS

Floats = npt.NDArray[np.float64]


@runtime_checkable
class PlainPipeline(Protocol):
    """A fitted scikit-learn pipeline."""

    pipeline: Any

    def predict(self, X: Floats) -> Floats: ...


@runtime_checkable
class PlainNetwork(Protocol):
    """A network with its standardisation: missing values become the mean (k,)."""

    mean: Floats
    scale: Floats
    target_mean: float
    target_scale: float

    @property
    def network(self) -> Any: ...

    def predict(self, X: Floats) -> Floats: ...


@runtime_checkable
class PlainMojo(Protocol):
    """A model of H2O, decoded from its MOJO."""

    mojo: bytes

    def predict(self, X: Floats) -> Floats: ...


def export_plain(model: Any, directory: Path, X: Floats) -> Path:
    """Write `model` to `directory`, once what was written gives the model's own answers for `X` (n, k).

    Raises:
        NotExportable, ExportParityError
    """
    import tensorflow as tf

    builder = Builder(COMPILERS)
    predict = _compiled(model, builder)

    def serving_default(features: Tensor) -> dict[str, Tensor]:
        return {"prediction": predict(features)}

    row = tf.TensorSpec([None, X.shape[1]], tf.float64, name="features")
    module = tf.Module()
    module.parameters = builder.variables
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".exporting-") as temporary:
        written = Path(temporary) / "saved_model"
        signature = tf.function(serving_default).get_concrete_function(row)
        tf.saved_model.save(module, str(written), signatures={"serving_default": signature})
        loaded = tf.saved_model.load(str(written))
        answers = loaded.signatures["serving_default"](features=tf.constant(X, tf.float64))["prediction"].numpy()
        _compare(model.predict(X), answers)
        if directory.exists():
            os.rename(directory, Path(temporary) / "replaced")
        os.rename(written, directory)
        shutil.rmtree(Path(temporary) / "replaced", ignore_errors=True)
    return directory


def _compiled(model: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    if isinstance(model, PlainPipeline):
        return builder.compile(model.pipeline)
    if isinstance(model, PlainMojo):
        from smartgrid.savedmodel.h2o_mojo import read_mojo

        return builder.compile(read_mojo(model.mojo))
    if not isinstance(model, PlainNetwork):
        raise NotExportable(type(model).__name__, "this kind of model has no exact translation")
    network = model.network
    builder.variables.extend(variable.value for variable in network.variables)
    mean, scale = builder.variable(model.mean), builder.variable(model.scale)
    shift, factor = builder.variable(model.target_mean), builder.variable(model.target_scale)

    def predict(X: Tensor) -> Tensor:
        inputs = (tf.where(tf.math.is_finite(X), X, mean) - mean) / scale
        return shift + factor * network(inputs, training=False)[:, 0]

    return predict


def _compare(expected: Floats, answers: Floats) -> None:
    difference = np.abs(answers - expected) / np.maximum(np.abs(expected), np.abs(expected).mean() * 1e-3 + 1e-12)
    difference = np.where(expected == answers, 0.0, np.where(np.isnan(difference), np.inf, difference))
    worst = int(np.argmax(difference))
    if float(difference[worst]) > ALLOWED:
        raise ExportParityError(
            float(difference[worst]), ALLOWED, worst, "held out", float(expected[worst]), float(answers[worst])
        )
