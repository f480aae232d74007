"""The code inside a registered MLflow model: it needs TensorFlow and NumPy, not this project.

MLflow stores this file with the model ("models from code") and runs it when the model is loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow  # noqa: TID253 - this file is run by MLflow itself
import numpy as np


class ServedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc] # MLflow is untyped to us
    """Runs the SavedModel. Input: rows in the order of the feature schema, or a data frame with its names."""

    def load_context(self, context: Any) -> None:
        import tensorflow as tf

        folder = Path(context.artifacts["saved_model"])
        self.names = json.loads((folder / "assets.extra/feature_schema.json").read_text(encoding="utf-8"))["names"]
        self.loaded = tf.saved_model.load(str(folder))

    # No annotations: MLflow would take them for a schema of the input and warn that they are none.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Load in kW (n,)."""
        import tensorflow as tf

        columns = getattr(model_input, "columns", None)
        if columns is not None and set(self.names) <= set(columns):
            model_input = model_input[self.names]
        features = tf.constant(np.asarray(model_input, dtype=np.float64))
        return self.loaded.signatures["serving_default"](features=features)["load_kw"].numpy()


mlflow.models.set_model(ServedModel())
