"""A SavedModel on disk, run by stock TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.features.schema import FeatureSchema
from smartgrid.savedmodel.assets import SCHEMA_FILE, read_schema
from smartgrid.savedmodel.quantile_graph import QUANTILE_NAMES

CHUNK_ROWS = 2_000  # bounds the memory of big forests: rows x trees x levels


class SavedModelReader:
    """Loads `directory` with tf.saved_model.load and predicts through its signatures."""

    def __init__(self, directory: Path) -> None:
        import tensorflow as tf

        self.schema: FeatureSchema = read_schema(directory / SCHEMA_FILE)
        self._loaded: Any = tf.saved_model.load(str(directory))

    @property
    def signatures(self) -> list[str]:
        return sorted(self._loaded.signatures, reverse=True)

    def predict(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Load in kW (n,) for rows (n, k), by the signature `serving_default`."""
        import tensorflow as tf

        signature = self._loaded.signatures["serving_default"]
        parts = [
            signature(features=tf.constant(X[start : start + CHUNK_ROWS], tf.float64))["load_kw"].numpy()
            for start in range(0, len(X), CHUNK_ROWS)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def predict_named(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The same by the signature `named_columns`."""
        import tensorflow as tf

        columns = {name: tf.constant(X[:, index], tf.float64) for index, name in enumerate(self.schema.names)}
        values: npt.NDArray[np.float64] = self._loaded.signatures["named_columns"](**columns)["load_kw"].numpy()
        return values

    def predict_quantiles(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Quantiles 0.1, 0.5 and 0.9 in kW (n, 3) by the signature `quantiles`, which not every model has."""
        import tensorflow as tf

        signature = self._loaded.signatures["quantiles"]
        parts = [np.empty((0, len(QUANTILE_NAMES)))]
        for start in range(0, len(X), CHUNK_ROWS):
            answer = signature(features=tf.constant(X[start : start + CHUNK_ROWS], tf.float64))
            parts.append(np.column_stack([answer[name].numpy() for name in QUANTILE_NAMES]))
        return np.concatenate(parts)
