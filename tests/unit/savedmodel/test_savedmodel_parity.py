"""Each kind of estimator, exported, loaded back by stock TensorFlow and compared on 10,000 rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smartgrid.automl.per_hour_ridge import FittedPerHourRidge
from smartgrid.automl.scaled_pipeline import FittedScaledPipeline
from smartgrid.savedmodel import export, exportable


def _pipelines() -> dict[str, Callable[[], Any]]:
    from sklearn.compose import ColumnTransformer
    from sklearn.decomposition import PCA
    from sklearn.ensemble import (
        AdaBoostRegressor,
        ExtraTreesRegressor,
        GradientBoostingRegressor,
        HistGradientBoostingRegressor,
        RandomForestRegressor,
        StackingRegressor,
        VotingRegressor,
    )
    from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold, f_regression
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import ElasticNet, LassoLars, LinearRegression, Ridge, SGDRegressor
    from sklearn.pipeline import FeatureUnion, make_pipeline
    from sklearn.preprocessing import (
        MaxAbsScaler,
        MinMaxScaler,
        Normalizer,
        PolynomialFeatures,
        RobustScaler,
        StandardScaler,
    )
    from sklearn.svm import LinearSVR
    from sklearn.tree import DecisionTreeRegressor
    from tpot.builtin_modules import EstimatorTransformer, Passthrough, SkipTransformer

    def filled(*steps: Any) -> Any:
        return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), *steps)

    def stack() -> Any:
        members = [("forest", RandomForestRegressor(8, random_state=1)), ("line", Ridge())]
        return StackingRegressor(members, final_estimator=Ridge(), cv=2, passthrough=True)

    def vote() -> Any:
        members = [("forest", ExtraTreesRegressor(8, random_state=1)), ("line", LinearRegression())]
        return VotingRegressor(members, weights=[2, 1])

    def union() -> Any:
        return FeatureUnion(
            [
                ("skip", SkipTransformer()),
                ("same", Passthrough()),
                ("ridge", EstimatorTransformer(Ridge(), passthrough=False)),
                ("scaled", MinMaxScaler(clip=True)),
            ],
            transformer_weights={"scaled": 0.5},
        )

    def columns() -> Any:
        return ColumnTransformer([("keep", "passthrough", [0, 1, 3]), ("scale", StandardScaler(), [2, 4])])

    return {
        "scaler and ridge": lambda: filled(StandardScaler(), Ridge(alpha=0.1)),
        "products and elastic net": lambda: filled(
            SelectKBest(f_regression, k=6), PolynomialFeatures(3), StandardScaler(), ElasticNet(alpha=1e-4)
        ),
        "robust scaler, whitened projection, lasso": lambda: filled(
            RobustScaler(), PCA(5, whiten=True), LassoLars(alpha=1e-5)
        ),
        "normalizer, largest-value scaler, support vectors": lambda: filled(
            Normalizer("l1"), MaxAbsScaler(), LinearSVR(dual=True, random_state=1)
        ),
        "gradient descent": lambda: filled(MinMaxScaler(), SGDRegressor(random_state=1)),
        "tree that knows missing values": lambda: DecisionTreeRegressor(max_depth=9, random_state=1),
        "forest": lambda: filled(RandomForestRegressor(25, random_state=1)),
        "forest that knows missing values": lambda: RandomForestRegressor(12, max_depth=8, random_state=1),
        "extra trees on scaled values": lambda: filled(StandardScaler(), ExtraTreesRegressor(25, random_state=1)),
        "gradient boosting": lambda: filled(GradientBoostingRegressor(loss="huber", random_state=1)),
        "histogram boosting that knows missing values": lambda: HistGradientBoostingRegressor(random_state=1),
        "histogram boosting with a logarithmic link": lambda: filled(
            HistGradientBoostingRegressor(loss="poisson", max_iter=40, random_state=1)
        ),
        "weighted median of trees": lambda: filled(AdaBoostRegressor(n_estimators=20, random_state=1)),
        "stacking with passthrough": lambda: filled(stack()),
        "weighted vote": lambda: filled(vote()),
        "union of TPOT's building blocks": lambda: filled(union(), RandomForestRegressor(10, random_state=1)),
        "columns, variance threshold, boosting": lambda: filled(
            columns(), VarianceThreshold(1e-3), HistGradientBoostingRegressor(max_iter=30, random_state=1)
        ),
        "selection by a model, then by elimination": lambda: filled(
            SelectFromModel(ExtraTreesRegressor(10, random_state=1)), RFE(Ridge(), n_features_to_select=2), Ridge()
        ),
    }


@pytest.mark.parametrize("name", list(_pipelines()))
def test_exported_pipeline_gives_the_numbers_of_its_model(name: str, table: Any, tmp_path: Path) -> None:
    pipeline = _pipelines()[name]()
    assert exportable(pipeline)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fit(table.inputs, table.ratio)
    model = FittedScaledPipeline(pipeline, table.schema, table.columns)

    report = export(model, tmp_path / "saved_model", table.held_out)

    assert report.max_relative_difference <= 1e-6
    assert report.checked_rows == 10_000
    assert (tmp_path / "saved_model/saved_model.pb").is_file()


def test_exported_ridge_serves_known_and_unknown_zones(table: Any, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    columns = list(range(3, len(table.schema.names)))
    model = FittedPerHourRidge(
        schema=table.schema,
        columns=columns,
        weights=generator.normal(0, 0.1, (4, 24, len(columns))),
        intercepts=generator.normal(1, 0.1, (4, 24)),
        fill=generator.normal(1, 0.1, len(columns)),
    )
    report = export(model, tmp_path / "saved_model", table.held_out)
    assert report.max_relative_difference <= 1e-6
