"""H2O's models, taken out of H2O and exported: compared with H2O's own scorer."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from h2o_rows import load_frame

from smartgrid.automl import h2o_recipe
from smartgrid.automl.ensemble import MeanModel
from smartgrid.automl.h2o_cluster import H2OCluster, H2OLost, close_shared_cluster, shared_cluster
from smartgrid.automl.h2o_frame import TARGET, input_names, upload
from smartgrid.automl.h2o_recipe import FittedH2O, H2ORecipe, Member
from smartgrid.automl.h2o_search import mojo_of
from smartgrid.features.frame import FeatureFrame
from smartgrid.savedmodel import NotExportable, export, prove
from smartgrid.savedmodel.h2o_mojo import read_mojo

Make = Callable[[], Any]


@pytest.fixture(scope="module")
def frame() -> FeatureFrame:
    return load_frame(days=30)


@pytest.fixture(scope="module")
def columns(frame: FeatureFrame) -> list[int]:
    return [index for index, name in enumerate(frame.schema.names) if name != "level_kw"]


@pytest.fixture(scope="module")
def no_cluster_left() -> Iterator[None]:
    yield
    close_shared_cluster()


@pytest.fixture
def cluster(no_cluster_left: None) -> Iterator[H2OCluster]:
    with shared_cluster(threads=2, memory_mb=2500) as cluster:
        yield cluster


@pytest.fixture
def training(cluster: H2OCluster, frame: FeatureFrame, columns: list[int]) -> Any:
    return upload(cluster, frame.X[:, columns], frame.ratio)


def _single() -> dict[str, Make]:
    from h2o.estimators import H2OGeneralizedLinearEstimator as Glm
    from h2o.estimators import H2OGradientBoostingEstimator as Gbm
    from h2o.estimators import H2ORandomForestEstimator as Drf

    return {
        "boosting": lambda: Gbm(ntrees=12, max_depth=6, learn_rate=0.2, seed=1),
        "boosting with a logarithmic link": lambda: Gbm(ntrees=8, max_depth=4, distribution="gamma", seed=1),
        "forest": lambda: Drf(ntrees=5, max_depth=9, seed=1),
        "extremely randomised trees": lambda: Drf(ntrees=5, max_depth=9, histogram_type="random", seed=1),
        "linear": lambda: Glm(alpha=0.3, lambda_=1e-4),
        "linear with a logarithmic link": lambda: Glm(family="gamma", link="log", lambda_=1e-3),
        "linear with an inverse link": lambda: Glm(family="gamma", link="inverse", lambda_=1e-3),
        "linear that leaves rows with missing values out": lambda: Glm(
            alpha=0.0, lambda_=1e-4, missing_values_handling="Skip"
        ),
    }


def _fit(cluster: H2OCluster, training: Any, estimator: Any) -> bytes:
    estimator.train(x=input_names(training.ncols - 1), y=TARGET, training_frame=training)
    return mojo_of(cluster, estimator.model_id)


@pytest.mark.parametrize("kind", list(_single()))
def test_model_is_exported_exactly(
    kind: str, cluster: H2OCluster, training: Any, frame: FeatureFrame, columns: list[int], tmp_path: Path
) -> None:
    mojo = _fit(cluster, training, _single()[kind]())
    model = FittedH2O.of((mojo,), (1.0,), 0.0, frame.schema, columns)
    report = export(model, tmp_path / "saved_model", frame.X)
    assert report.checked_rows == 10_000
    assert report.max_relative_difference < 1e-11


def test_stacked_ensemble_of_h2o_is_exported_exactly(
    cluster: H2OCluster, training: Any, frame: FeatureFrame, columns: list[int], tmp_path: Path
) -> None:
    from h2o.estimators import H2OGradientBoostingEstimator, H2OStackedEnsembleEstimator
    from h2o.estimators import H2ORandomForestEstimator as Drf

    shared = {"nfolds": 2, "seed": 1, "fold_assignment": "modulo", "keep_cross_validation_predictions": True}
    members = [H2OGradientBoostingEstimator(ntrees=6, max_depth=4, **shared), Drf(ntrees=3, max_depth=6, **shared)]
    for member in members:
        member.train(x=input_names(training.ncols - 1), y=TARGET, training_frame=training)
    mojo = _fit(cluster, training, H2OStackedEnsembleEstimator(base_models=members))
    model = FittedH2O.of((mojo,), (1.0,), 0.0, frame.schema, columns)
    assert len(model.pipeline.members) >= 1
    report = export(model, tmp_path / "saved_model", frame.X)
    assert report.max_relative_difference < 1e-11


def test_recipe_with_weights_is_fitted_and_proved_and_needs_no_cluster_afterwards(
    cluster: H2OCluster, frame: FeatureFrame, columns: list[int], tmp_path: Path
) -> None:
    members = (
        Member("gbm", {"ntrees": 15, "max_depth": 5, "seed": 3}),
        Member("glm", {"alpha": [0.0], "lambda_": [1e-4]}),
    )
    recipe = H2ORecipe(members, (0.7, 0.29), 0.01, columns, 1_000, 3, 2, 2500, "two")
    model = pickle.loads(pickle.dumps(recipe)).fit(frame)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(frame.X), model.predict(frame.X))
    np.testing.assert_allclose(model.predict(frame.X), model.predict_by_library(frame.X), rtol=1e-12)
    assert np.mean(np.abs(model.predict(frame.X) / frame.y_kw - 1)) < 0.1
    # Fitted again the same model comes out.
    np.testing.assert_array_equal(recipe.fit(frame).predict(frame.X), model.predict(frame.X))

    facts = prove(MeanModel([model, model], [0.25, 0.75], frame.schema), frame, tmp_path)
    assert facts.largest_difference < 1e-11
    assert 0 < facts.ms_per_row < facts.one_row_ms
    assert 0 < facts.size_mb < 5
    assert list(tmp_path.iterdir()) == []
    assert "0.700 x gbm(ntrees=15" in recipe.description
    assert "DeepLearning" in recipe.description


def test_what_has_no_translation_is_named(cluster: H2OCluster, training: Any, frame: FeatureFrame) -> None:
    from h2o.estimators import H2ODeepLearningEstimator

    mojo = _fit(cluster, training, H2ODeepLearningEstimator(hidden=[4], epochs=0.1, seed=1))
    with pytest.raises(NotExportable, match="deeplearning"):
        read_mojo(mojo)


def test_tree_of_a_single_leaf_is_read(cluster: H2OCluster, frame: FeatureFrame) -> None:
    from h2o.estimators import H2OGradientBoostingEstimator

    constant = upload(cluster, np.random.default_rng(1).normal(size=(60, 3)), np.full(60, 2.5))
    estimator = H2OGradientBoostingEstimator(ntrees=2, check_constant_response=False)
    assert read_mojo(_fit(cluster, constant, estimator)).predict(np.zeros((2, 3))).tolist() == [2.5, 2.5]


def test_a_fit_survives_the_death_of_java(
    cluster: H2OCluster, frame: FeatureFrame, columns: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = H2ORecipe((Member("glm", {"lambda_": [1e-4]}),), (1.0,), 0.0, columns, 1_000, 3, 2, 2500, "one")
    wanted = recipe.fit(frame).predict(frame.X)
    fit, deaths = h2o_recipe._fit, 0

    def deadly(cluster: H2OCluster, *arguments: Any) -> bytes:
        nonlocal deaths
        if not deaths:
            deaths += 1
            _kill_java(cluster)
        return fit(cluster, *arguments)

    monkeypatch.setattr(h2o_recipe, "_fit", deadly)
    np.testing.assert_array_equal(recipe.fit(frame).predict(frame.X), wanted)
    assert deaths == 1

    def always_deadly(cluster: H2OCluster, *arguments: Any) -> bytes:
        _kill_java(cluster)
        return fit(cluster, *arguments)

    monkeypatch.setattr(h2o_recipe, "_fit", always_deadly)
    with pytest.raises(H2OLost, match="Java ended"):
        recipe.fit(frame)


def _kill_java(cluster: H2OCluster) -> None:
    shell = psutil.Process(cluster._process.pid)
    next(child for child in shell.children() if child.name() == "java").kill()
