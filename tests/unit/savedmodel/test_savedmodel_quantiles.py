"""Quantiles beside the point forecast, and models made of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smartgrid.automl.ensemble import MeanModel
from smartgrid.automl.scaled_pipeline import FittedScaledPipeline
from smartgrid.savedmodel import export, prove
from smartgrid.savedmodel.errors import ExportParityError
from smartgrid.savedmodel.reader import SavedModelReader


def _model(table: Any, estimator: Any) -> FittedScaledPipeline:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(SimpleImputer(), estimator).fit(table.inputs, table.ratio)
    return FittedScaledPipeline(pipeline, table.schema, table.columns)


@pytest.fixture(scope="module")
def mean_model(table: Any) -> MeanModel:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge

    members = [_model(table, Ridge()), _model(table, HistGradientBoostingRegressor(max_iter=20, random_state=1))]
    return MeanModel(members, [0.3, 0.7], table.schema)


def test_quantiles_are_the_prediction_plus_the_residual_of_the_slot(
    mean_model: MeanModel, table: Any, tmp_path: Path
) -> None:
    residuals = np.sort(np.random.default_rng(3).normal(0, 0.1, (24, 3)), axis=1)
    report = export(mean_model, tmp_path / "saved_model", table.held_out, residual_quantiles=residuals)
    assert set(report.signatures) == {"serving_default", "named_columns", "quantiles"}
    assert report.max_relative_difference < 1e-9
    X = table.held_out[:50]
    expected = mean_model.predict(X)[:, None] + residuals[X[:, 1].astype(int)] * X[:, 2:3]
    answered = SavedModelReader(tmp_path / "saved_model").predict_quantiles(X)
    np.testing.assert_allclose(answered, np.maximum(expected, 0), rtol=1e-12)
    np.testing.assert_allclose(SavedModelReader(tmp_path / "saved_model").predict(X), mean_model.predict(X))


def test_quantiles_of_the_model_itself_are_taken(mean_model: MeanModel, table: Any, tmp_path: Path) -> None:
    vars(mean_model)["residual_quantiles"] = np.tile([-0.1, 0.0, 0.1], (24, 1))
    try:
        report = export(mean_model, tmp_path / "saved_model", table.held_out, count=500)
    finally:
        del vars(mean_model)["residual_quantiles"]
    assert "quantiles" in report.signatures


def test_a_model_without_quantiles_has_no_such_signature(mean_model: MeanModel, table: Any, tmp_path: Path) -> None:
    report = export(mean_model, tmp_path / "saved_model", table.held_out, count=500)
    assert sorted(report.signatures) == ["named_columns", "serving_default"]


def test_proof_measures_and_leaves_nothing_behind(mean_model: MeanModel, table: Any, tmp_path: Path) -> None:
    facts = prove(mean_model, table.held_out, tmp_path)
    assert facts.largest_difference < 1e-9
    assert 0 < facts.ms_per_row < 2
    assert facts.ms_per_row < facts.one_row_ms
    assert 0 < facts.size_mb < 5
    assert 0 < facts.export_s < 60
    assert list(tmp_path.iterdir()) == []
    assert set(facts.as_json()) == {"size_mb", "ms_per_row", "one_row_ms", "largest_difference", "export_s"}


def test_export_is_compared_with_the_library_and_not_with_the_copy_of_it(table: Any, tmp_path: Path) -> None:
    from sklearn.linear_model import Ridge

    class _Misread(FittedScaledPipeline):
        def predict_by_library(self, X: Any) -> Any:
            return self.predict(X) * (1 + 2e-6)

    right = _model(table, Ridge())
    misread = _Misread(right.pipeline, right.schema, right.columns)
    with pytest.raises(ExportParityError):
        export(misread, tmp_path / "alone", table.held_out, count=500)
    with pytest.raises(ExportParityError):
        export(MeanModel([right, misread], [0.1, 0.9], table.schema), tmp_path / "mean", table.held_out, count=500)
