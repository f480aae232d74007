"""`train_with_automl` finds a model for any table, whichever library is asked."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from smartgrid.automl import train_with_automl
from smartgrid.automl.automl_call import UnknownTask
from smartgrid.automl.table_encoder import BadTable
from smartgrid.automl.trainer import BudgetTooSmall, UnknownTrainer
from smartgrid.errors import SmartGridError
from smartgrid.savedmodel import NotExportable


def table(rows: int = 900) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Numbers with holes, a column of text, and a target that depends on both."""
    generator = np.random.default_rng(2)
    X = pd.DataFrame(generator.normal(size=(rows, 4)), columns=list("abcd"))
    X["kind"] = np.where(generator.random(rows) > 0.5, "urban", "rural")
    y = 3 * X["a"] + np.where(X["b"] > 0, 2.0, -1.0) + 2 * (X["kind"] == "urban") + generator.normal(0, 0.1, rows)
    X.loc[::40, "c"] = np.nan
    return X, y.to_numpy()


@pytest.mark.parametrize(
    ("platform", "seconds"),
    [
        ("tpot", 12),
        pytest.param("autokeras", 25, marks=pytest.mark.slow),
        pytest.param("h2o", 30, marks=pytest.mark.slow),
    ],
)
def test_a_regression_is_scored_on_rows_it_did_not_see_and_exported(
    platform: Any, seconds: float, tmp_path: Path
) -> None:
    import tensorflow as tf

    X, y = table()
    lines: list[str] = []
    result = train_with_automl(
        X, y, task="regression", platform=platform, time_budget_s=seconds, seed=4, progress=lines.append
    )
    assert result.platform == platform
    assert result.metric == "R2"
    assert result.held_out_rows == 180
    assert 0.7 < result.score <= 1
    fresh, truth = table(1100)
    values = result.model.predict(fresh)
    assert 1 - np.var(truth - values) / np.var(truth) > 0.7
    errors = [entry["error"] for entry in result.leaderboard]
    assert errors == sorted(errors)
    assert result.best
    assert lines
    copied = pickle.loads(pickle.dumps(result))
    np.testing.assert_allclose(copied.model.predict(fresh[:20]), values[:20])

    folder = result.export(tmp_path / "model" / "1")
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    answers = served(features=tf.constant(result.model.encoder.encode(fresh), tf.float64))["prediction"].numpy()
    np.testing.assert_allclose(answers, values, rtol=1e-6, atol=1e-6)
    assert [path.name for path in folder.parent.iterdir()] == ["1"]


@pytest.mark.slow
@pytest.mark.parametrize(("platform", "seconds"), [("tpot", 12), ("autokeras", 25), ("h2o", 30)])
def test_a_classification_answers_labels_and_probabilities(platform: Any, seconds: float, tmp_path: Path) -> None:
    X, y = table()
    labels = np.where(y > np.quantile(y, 0.66), "high", np.where(y > np.quantile(y, 0.33), "middle", "low"))
    result = train_with_automl(
        X.to_numpy(), labels, task="classification", platform=platform, time_budget_s=seconds, seed=4
    )
    assert result.metric == "accuracy"
    assert 0.6 < result.score <= 1
    assert set(result.model.predict(X.to_numpy())) <= {"high", "middle", "low"}
    probabilities = result.model.predict_proba(X.to_numpy()[:30])
    assert probabilities.shape == (30, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    with pytest.raises(NotExportable):
        result.export(tmp_path / "model")


X, y = np.zeros((60, 2)), np.arange(60.0)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"task": "clustering"}, UnknownTask),
        ({"platform": "flaml"}, UnknownTrainer),
        ({"y_train": np.arange(59.0)}, BadTable),
        ({"y_train": np.full(60, np.nan)}, BadTable),
        ({"y_train": np.array(["a"] * 60)}, BadTable),
        ({"y_train": np.array(["a"] * 60), "task": "classification"}, BadTable),
        ({"X_train": X[:20], "y_train": y[:20]}, BadTable),
        ({"X_train": y}, BadTable),
        ({"time_budget_s": 1}, BudgetTooSmall),
    ],
)
def test_what_cannot_be_trained_on_is_a_typed_error(changes: dict[str, Any], error: type[SmartGridError]) -> None:
    arguments: dict[str, Any] = {"X_train": X, "y_train": y, "task": "regression", "platform": "tpot"}
    with pytest.raises(error):
        train_with_automl(**(arguments | changes))
