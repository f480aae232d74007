"""Does the model server give the numbers that the model gave before it was exported?"""

from __future__ import annotations

import numpy as np

from smartgrid.rollout.errors import ServedPredictionsDiffer
from smartgrid.savedmodel.assets import KnownAnswers
from smartgrid.serving.client import ServingClient

ALLOWED = 1e-6  # relative, as for the export


def check_known_answers(client: ServingClient, model_name: str, version: int, answers: KnownAnswers) -> int:
    """Ask the server for the known rows and return how many it answered right.

    Raises:
        ServedPredictionsDiffer, or an error of the serving client.
    """
    served_kw = np.asarray(client.predict(model_name, answers.X, version=version), dtype=np.float64).reshape(-1)
    difference = np.abs(served_kw - answers.load_kw) / np.maximum(np.abs(answers.load_kw), 0.001)
    wrong = ~(difference <= ALLOWED)  # NaN is wrong too
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ServedPredictionsDiffer(version, row, float(answers.load_kw[row]), float(served_kw[row]))
    return len(served_kw)
