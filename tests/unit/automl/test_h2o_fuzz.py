"""Random H2O models: each is exported exactly, or refused with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from h2o_rows import load_frame

from smartgrid.automl.h2o_cluster import close_shared_cluster, shared_cluster
from smartgrid.automl.h2o_frame import TARGET, input_names, upload
from smartgrid.automl.h2o_recipe import FittedH2O
from smartgrid.automl.h2o_search import mojo_of
from smartgrid.savedmodel import export


def _trees(generator: np.random.Generator) -> dict[str, Any]:
    return {
        "ntrees": int(generator.integers(1, 40)),
        "max_depth": int(generator.integers(1, 14)),
        "min_rows": float(generator.integers(1, 30)),
        "nbins": int(generator.integers(8, 128)),
        "sample_rate": float(generator.uniform(0.3, 1)),
        "col_sample_rate_per_tree": float(generator.uniform(0.3, 1)),
        "seed": int(generator.integers(1, 10_000)),
    }


def _drawn(kind: str, generator: np.random.Generator, shared: dict[str, Any]) -> Any:
    from h2o.estimators import H2OGeneralizedLinearEstimator, H2OGradientBoostingEstimator, H2ORandomForestEstimator

    def pick(*values: Any) -> Any:
        return values[generator.integers(len(values))]

    histogram = pick("UniformAdaptive", "QuantilesGlobal", "RoundRobin", "UniformRobust")
    if kind == "gbm":
        return H2OGradientBoostingEstimator(
            **_trees(generator),
            **shared,
            learn_rate=float(generator.uniform(0.02, 0.4)),
            col_sample_rate=float(generator.uniform(0.3, 1)),
            distribution=pick("gaussian", "laplace", "huber", "quantile", "poisson", "gamma", "tweedie"),
            histogram_type=histogram,
        )
    if kind in ("drf", "xrt"):
        return H2ORandomForestEstimator(
            **_trees(generator) | {"ntrees": int(generator.integers(1, 15))},
            **shared,
            histogram_type="Random" if kind == "xrt" else histogram,
        )
    family, link = pick(
        ("gaussian", "identity"), ("gaussian", "log"), ("gamma", "inverse"), ("gamma", "log"), ("poisson", "log")
    )
    return H2OGeneralizedLinearEstimator(
        **shared,
        family=family,
        link=link,
        alpha=float(generator.uniform(0, 1)),
        lambda_=float(10 ** generator.uniform(-6, -2)),
        standardize=bool(generator.integers(2)),
        missing_values_handling=pick("MeanImputation", "Skip"),
    )


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_twenty_random_models_are_exported_exactly(tmp_path: Path) -> None:
    from h2o.estimators import H2OStackedEnsembleEstimator

    generator = np.random.default_rng(17)
    frame = load_frame(days=30)
    columns = [index for index, name in enumerate(frame.schema.names) if name != "level_kw"]
    folds = {"nfolds": 2, "seed": 1, "fold_assignment": "modulo", "keep_cross_validation_predictions": True}
    differences: dict[str, float] = {}
    with shared_cluster(threads=2, memory_mb=3000) as cluster:
        training = upload(cluster, frame.X[:, columns], frame.ratio)

        def train(estimator: Any) -> Any:
            estimator.train(x=input_names(len(columns)), y=TARGET, training_frame=training)
            return estimator

        for number, kind in enumerate(["gbm", "drf", "xrt", "glm", "stack"] * 4):
            if kind == "stack":
                kinds = generator.choice(["gbm", "drf", "xrt", "glm"], size=generator.integers(2, 5))
                shared = {key: value for key, value in folds.items() if key != "seed"}
                members = [train(_drawn(str(member), generator, shared)) for member in kinds]
                estimator = train(H2OStackedEnsembleEstimator(base_models=members))
            else:
                estimator = train(_drawn(kind, generator, {}))
            mojo = mojo_of(cluster, estimator.model_id)
            model = FittedH2O.of((mojo,), (1.0,), 0.0, frame.schema, columns)
            report = export(model, tmp_path / str(number), frame.X, count=3_000)
            differences[f"{number} {kind}"] = report.max_relative_difference
    close_shared_cluster()
    print(f"{len(differences)} random models; largest relative difference {max(differences.values()):.2g}")
    assert len(differences) == 20
    assert max(differences.values()) <= 1e-9, differences
