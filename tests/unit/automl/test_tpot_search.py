"""TPOT within its budget."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from smartgrid.automl.child_process import run_limited
from smartgrid.automl.progress import TrialReport
from smartgrid.automl.scaled_pipeline import thinned
from smartgrid.automl.tpot_trainer import TpotTrainer
from smartgrid.automl.trainer import Budget, NotEnoughHistory
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import FeatureSchema, feature_names
from smartgrid.savedmodel import why_not_exportable


@pytest.fixture(scope="module")
def frame() -> FeatureFrame:
    """Two zones, 60 days, load that depends on yesterday's, the hour and the temperature; some values missing."""
    generator = np.random.default_rng(5)
    names, zones, hours = feature_names("forecast"), ["A", "B"], 60 * 24
    schema = FeatureSchema(names=names, zones=zones, interval_minutes=60, timezone="UTC", temperature="forecast")
    count = hours * len(zones)
    X = generator.normal(1, 0.2, (count, len(names)))
    X[:, 0], X[:, 1] = np.repeat([0, 1], hours), np.tile(np.arange(hours) % 24, 2)
    X[:, 2] = np.repeat([1000.0, 20_000.0], hours)
    warm = X[:, schema.index("temperature_now")]
    ratio = 0.6 * X[:, schema.index("lag_1d")] + 0.2 * np.sin(X[:, 1] / 4) + 0.3 * np.maximum(warm - 1, 0) + 0.4
    X[generator.random(count) < 0.02, schema.index("lag_21d")] = np.nan
    time_axis = np.datetime64("2007-01-01", "us") + np.arange(hours) * np.timedelta64(1, "h")
    times = np.tile(time_axis, 2)
    return FeatureFrame(schema, np.repeat(np.array(zones), hours), times, times, X, ratio * X[:, 2])


def test_search_returns_an_exportable_recipe_within_its_budget(frame: FeatureFrame) -> None:
    lines: list[str] = []
    started = time.monotonic()
    recipe = run_limited(
        "smartgrid.automl.tpot_trainer:search",
        {"frame": frame, "budget": Budget(wall_s=16, threads=2, seed=3)},
        wall_s=60,
        memory_mb=4000,
        threads=2,
        progress=lines.append,
    )
    # The imports of the child and its end come on top of the budget of the search.
    assert time.monotonic() - started < 36
    assert why_not_exportable(recipe.pipeline) is None
    assert any("trials, best error" in line for line in lines)
    trials = [line for line in lines if isinstance(line, TrialReport)]
    assert [trial.trial for trial in trials] == list(range(1, len(trials) + 1))
    best = min(trial.score for trial in trials if trial.score is not None)
    assert recipe.summary.score == pytest.approx(best, abs=1e-6)
    assert recipe.summary.trials == len(trials)
    assert all(before.left_s >= after.left_s for before, after in pairwise(trials))

    model = recipe.fit(frame)
    error = np.abs(model.predict(frame.X) - frame.y_kw) / frame.y_kw
    naive = np.abs(frame.column("lag_7d") * frame.column("level_kw") - frame.y_kw) / frame.y_kw
    assert error.mean() < naive.mean() / 2
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(frame.X[:50]), model.predict(frame.X[:50]))


def test_killed_search_leaves_the_best_trial_so_far(frame: FeatureFrame) -> None:
    lines: list[str] = []
    recipe = run_limited(
        "smartgrid.automl.tpot_trainer:search",
        {"frame": frame, "budget": Budget(wall_s=600, threads=2, seed=3)},
        wall_s=22,
        memory_mb=4000,
        threads=2,
        progress=lines.append,
    )
    assert why_not_exportable(recipe.pipeline) is None
    assert "using the best result so far" in lines[-1]


def test_missing_features_still_give_a_forecast(frame: FeatureFrame) -> None:
    from sklearn.linear_model import Ridge

    from smartgrid.automl.scaled_pipeline import ScaledPipelineRecipe
    from smartgrid.automl.tpot_search import with_imputer

    columns = [index for index, name in enumerate(frame.schema.names) if name != "level_kw"]
    model = ScaledPipelineRecipe(with_imputer(Ridge()), columns, max_rows=1000, seed=1).fit(frame)
    X = frame.X[:5].copy()
    X[:, 3:] = np.nan
    assert np.isfinite(model.predict(X)).all()
    X[0, 2] = np.nan
    assert np.isnan(model.predict(X)[0])


def test_too_little_history_is_refused(frame: FeatureFrame) -> None:
    with pytest.raises(NotEnoughHistory):
        TpotTrainer().search(frame.where(np.arange(len(frame)) < 200), Budget(wall_s=5), print)


@pytest.mark.parametrize("most", [100, 1000])
def test_thinning_prefers_the_newest_quarter(frame: FeatureFrame, most: int) -> None:
    rows = thinned(frame, most, seed=1)
    assert len(rows) == most
    start, end = frame.target_time.min(), frame.target_time.max()
    is_new: Callable[[FeatureFrame], float] = lambda table: float(  # noqa: E731
        (table.target_time > end - (end - start) / 4).mean()
    )
    assert is_new(rows) == pytest.approx(0.5, abs=0.01)
    assert is_new(frame) == pytest.approx(0.25, abs=0.01)
    np.testing.assert_array_equal(thinned(frame, most, seed=1).X, rows.X)
