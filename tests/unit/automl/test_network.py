"""A network as a load model: seeded, sturdy, and exported as it is."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from h2o_rows import load_frame

from smartgrid.automl.keras_training import describe, describe_optimizer
from smartgrid.automl.network import FittedNetwork, NetworkRecipe
from smartgrid.automl.network_inputs import NetworkInputs
from smartgrid.automl.trainer import ConstantLoad, NotEnoughHistory, SearchSummary
from smartgrid.features.frame import FeatureFrame
from smartgrid.savedmodel import export
from smartgrid.savedmodel.keras_network import CLIP


@pytest.fixture(scope="module")
def frame() -> FeatureFrame:
    return load_frame()


@pytest.fixture(scope="module")
def recipe(frame: FeatureFrame) -> NetworkRecipe:
    """Every kind of layer that AutoKeras puts into a network for a table."""
    import keras

    width = NetworkInputs.fit(frame.X, frame.schema).width
    inputs: Any = keras.Input(shape=(width,))
    layers = keras.layers
    hidden = layers.Normalization(axis=-1)(inputs)
    hidden = layers.Dropout(0.25)(layers.ReLU()(layers.BatchNormalization()(layers.Dense(24)(hidden))))
    model = keras.Model([inputs], [layers.Dense(1)(layers.ReLU()(layers.Dense(12)(hidden)))])
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.003), loss="mae")
    summary = SearchSummary(1, "a network")
    return NetworkRecipe(describe(model), describe_optimizer(model), 250, 64, 2_000, 11, summary)


@pytest.fixture(scope="module")
def model(frame: FeatureFrame, recipe: NetworkRecipe) -> FittedNetwork:
    return recipe.fit(frame)


def test_the_same_seed_gives_the_same_network_and_another_seed_another(
    frame: FeatureFrame, recipe: NetworkRecipe, model: FittedNetwork
) -> None:
    first, second = model, pickle.loads(pickle.dumps(recipe)).fit(frame)
    other = replace(recipe, seed=12).fit(frame)
    assert all(np.array_equal(a, b) for a, b in zip(first.weights, second.weights, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first.weights, other.weights, strict=True))


def test_it_learns_and_its_export_gives_its_own_numbers(
    frame: FeatureFrame, model: FittedNetwork, tmp_path: Path
) -> None:
    error = np.nanmean(np.abs(model.predict(frame.X) / frame.y_kw - 1))
    spread = np.nanstd(frame.ratio) / np.nanmean(frame.ratio)
    assert error < spread / 2
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict(frame.X[:50]), model.predict(frame.X[:50]))
    report = export(copied, tmp_path / "saved_model", frame.X[-500:], count=2_000)
    assert report.max_relative_difference < 1e-9


def test_a_row_alone_and_among_others_has_the_same_forecast(frame: FeatureFrame, model: FittedNetwork) -> None:
    together = model.predict(frame.X[:300])
    alone = np.concatenate([model.predict(row[None, :]) for row in frame.X[:300:60]])
    np.testing.assert_allclose(alone, together[::60], rtol=1e-12)


def test_missing_strange_and_unknown_inputs_still_give_a_forecast(frame: FeatureFrame, model: FittedNetwork) -> None:
    X = frame.X[:4].copy()
    X[0, 3:] = np.nan
    X[1, 3:] = 1e12
    X[2, frame.schema.index("zone_code")] = -1  # a zone that appeared yesterday
    X[3, frame.schema.index("level_kw")] = np.nan
    load = model.predict(X)
    assert np.isfinite(load[:3]).all()
    assert (load[:3] >= 0).all()
    assert np.isnan(load[3])


def test_a_temperature_that_is_never_known_does_not_matter(frame: FeatureFrame) -> None:
    X = frame.X.copy()
    column = frame.schema.index("temperature_now")
    X[:, column] = np.nan
    encoded = NetworkInputs.fit(X, frame.schema).encode(X)
    assert np.isfinite(encoded).all()
    assert np.abs(encoded).max() <= CLIP


def test_too_few_rows_and_a_constant_load_are_typed_errors(frame: FeatureFrame, recipe: NetworkRecipe) -> None:
    with pytest.raises(NotEnoughHistory):
        recipe.fit(frame.where(np.arange(len(frame)) < 100))
    with pytest.raises(ConstantLoad):
        recipe.fit(replace(frame, y_kw=0.8 * frame.column("level_kw")))
