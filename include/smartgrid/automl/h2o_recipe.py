"""What an H2O search found: algorithms with their parameters, fitted again without a search; and the fitted model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.automl.h2o_automl import EXCLUDED
from smartgrid.automl.h2o_cluster import H2OCluster, H2OLost, shared_cluster
from smartgrid.automl.h2o_frame import TARGET, input_names, upload
from smartgrid.automl.h2o_scorer import score_mojo
from smartgrid.automl.h2o_search import mojo_of
from smartgrid.automl.scaled_pipeline import FittedScaledPipeline, thinned
from smartgrid.automl.trainer import SearchSummary
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import FeatureSchema
from smartgrid.savedmodel.h2o_models import H2OLinear, H2OModel, H2OStack
from smartgrid.savedmodel.h2o_mojo import read_mojo

Floats = npt.NDArray[np.float64]
AT_ONCE = 2  # scorers in Java, a process each


@dataclass(frozen=True, slots=True)
class Member:
    """One model to fit: H2O's name of the algorithm (gbm, drf, glm) and the arguments of its estimator."""

    algorithm: str
    parameters: dict[str, Any]

    def __str__(self) -> str:
        keys = ("ntrees", "max_depth", "min_rows", "learn_rate", "histogram_type", "alpha", "lambda_")
        told = ", ".join(f"{key}={self.parameters[key]}" for key in keys if key in self.parameters)
        return f"{self.algorithm}({told})"


@dataclass
class FittedH2O(FittedScaledPipeline):
    """A fitted model that needs neither Java nor H2O: `pipeline` holds its trees and coefficients as arrays.

    The ratio of load to level is `intercept` plus the sum of `weights` times what the models in `mojos` predict.
    """

    mojos: tuple[bytes, ...] = field(repr=False)
    weights: tuple[float, ...]
    intercept: float

    @classmethod
    def of(
        cls,
        mojos: tuple[bytes, ...],
        weights: tuple[float, ...],
        intercept: float,
        schema: FeatureSchema,
        columns: list[int],
    ) -> FittedH2O:
        """From what H2O handed out.

        Raises:
            NotExportable: a MOJO cannot be read as plain numbers.
        """
        models = tuple(read_mojo(mojo) for mojo in mojos)
        pipeline = combined(models, weights, intercept)
        return cls(pipeline, schema, columns, mojos=mojos, weights=weights, intercept=intercept)

    def predict_by_library(self, X: Floats) -> Floats:
        """As `predict`, but scored by H2O's own scorer from the MOJOs: what an export is compared with.

        Raises:
            JavaMissing, H2OFailed
        """
        inputs = X[:, self.columns]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            scored = list(pool.map(lambda mojo: score_mojo(mojo, inputs), self.mojos))
        members = [table["predict"].to_numpy() for table in scored]
        ratio = np.zeros(len(X)) + self.intercept
        for weight, member in zip(self.weights, members, strict=True):
            ratio += weight * member
        load: Floats = np.maximum(X[:, self.schema.index("level_kw")] * ratio, 0.0)
        return load


@dataclass
class H2ORecipe:
    """`members` to fit, and how their predictions are combined; one member has weight 1.

    A stack keeps the weights that H2O's metalearner gave its members on days that these had not seen; the members
    themselves are fitted on all rows, so that the newest ones count.
    """

    members: tuple[Member, ...]
    weights: tuple[float, ...]
    intercept: float
    columns: list[int]
    max_rows: int
    seed: int
    threads: int
    memory_mb: int
    found_as: str
    summary: SearchSummary | None = None

    @property
    def description(self) -> str:
        """For people: what is fitted, and what the search left out."""
        parts = [
            str(member) if len(self.members) == 1 else f"{weight:.3f} x {member}"
            for weight, member in zip(self.weights, self.members, strict=True)
        ]
        left_out = "; ".join(f"{name} ({reason})" for name, reason in EXCLUDED.items())
        return f"{self.found_as}: {' + '.join(parts)}. Not searched: {left_out}."

    def fit(self, frame: FeatureFrame) -> FittedH2O:
        """Fit on the rows of `frame` with a known load, in this process's cluster, which is started if need be.

        Raises:
            JavaMissing
            H2OFailed: H2OLost only if Java ended twice.
        """
        rows = thinned(frame.trainable(), self.max_rows, self.seed)
        try:
            mojos = self._mojos(rows)
        except H2OLost:  # a backtest of an hour need not end because Java did: the fit is the same in a new cluster
            mojos = self._mojos(rows)
        return FittedH2O.of(mojos, self.weights, self.intercept, frame.schema, list(self.columns))

    def _mojos(self, rows: FeatureFrame) -> tuple[bytes, ...]:
        with shared_cluster(self.threads, self.memory_mb) as cluster:
            training = upload(cluster, rows.X[:, self.columns], rows.ratio)
            mojos = tuple(_fit(cluster, member, training) for member in self.members)
            _forget(cluster, training.frame_id)
        return mojos


def combined(models: tuple[H2OModel, ...], weights: tuple[float, ...], intercept: float) -> H2OModel:
    """One model of several."""
    if len(models) == 1 and weights == (1.0,) and intercept == 0.0:
        return models[0]
    columns = np.arange(len(models), dtype=np.int32)
    return H2OStack(models, H2OLinear(columns, np.array(weights), intercept, None, "identity"))


def _fit(cluster: H2OCluster, member: Member, training: Any) -> bytes:
    from h2o.estimators import H2OGeneralizedLinearEstimator, H2OGradientBoostingEstimator, H2ORandomForestEstimator

    estimators = {
        "drf": H2ORandomForestEstimator,
        "gbm": H2OGradientBoostingEstimator,
        "glm": H2OGeneralizedLinearEstimator,
    }
    with cluster.calling(f"fitting {member}"):
        estimator = estimators[member.algorithm](**member.parameters)
        estimator.train(x=input_names(training.ncols - 1), y=TARGET, training_frame=training)
    mojo = mojo_of(cluster, estimator.model_id)
    _forget(cluster, estimator.model_id)
    return mojo


def _forget(cluster: H2OCluster, key: str) -> None:
    """Free the memory of the cluster; a backtest fits many times in one.

    By key: `h2o.remove` goes through the session of H2O's expression language, and servers were seen to end
    themselves (exit status 255) during that call.
    """
    import h2o

    with cluster.calling("removing what is not needed any more"):
        h2o.api(f"DELETE /3/DKV/{key}", data={"cascade": True})
