"""K-Means and DBSCAN equal scikit-learn's on the same matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN, KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from smartgrid.mining import MiningLimits, blocks, dbscan, kmeans, kmeans_parquet
from smartgrid.mining.block_dbscan import block_dbscan
from smartgrid.mining.errors import (
    ConstantColumns,
    MemoryLimitReached,
    MiningError,
    NeighbourhoodTooLarge,
    NotFinite,
    NotNumeric,
    ParameterOutOfRange,
    RaggedRows,
    TimeLimitReached,
    TooFewRows,
    TooManyClusters,
)
from smartgrid.mining.limits import Deadline

Floats = npt.NDArray[np.float64]


def blobs(rows: int, columns: int, centres: int = 5, seed: int = 0, spread: float = 0.5) -> Floats:
    random = np.random.default_rng(seed)
    middle = random.uniform(-5, 5, (centres, columns))
    return middle[random.integers(0, centres, rows)] + spread * random.standard_normal((rows, columns))


@pytest.mark.parametrize("seed", [0, 7])
def test_kmeans_is_that_of_scikit_learn_with_the_parameters_it_reports(seed: int) -> None:
    X = blobs(537, 48, 4)
    result = kmeans(X, k=4, seed=seed)
    model = KMeans(n_clusters=4, n_init=result.parameters["n_init"], random_state=result.parameters["random_state"])
    model.fit(X)
    assert np.array_equal(result.labels, model.labels_)
    assert result.centroids == pytest.approx(model.cluster_centers_)
    assert result.inertia == pytest.approx(model.inertia_)
    assert result.silhouette == pytest.approx(silhouette_score(X, model.labels_))
    assert result.sizes.tolist() == np.bincount(model.labels_).tolist()
    assert result.stability is not None
    assert result.stability > 0.95


@pytest.mark.parametrize(("scaler", "peer"), [("standard", StandardScaler), ("minmax", MinMaxScaler)])
def test_a_column_scaler_is_scikit_learns_and_centroids_keep_the_units(scaler: str, peer: type) -> None:
    X = blobs(300, 6) * np.array([1, 10, 100, 1, 1, 0.1]) + 50
    result = kmeans(X, k=5, scaler=scaler)
    scale = peer().fit(X)
    model = KMeans(5, n_init=10, random_state=0).fit(scale.transform(X))
    assert np.array_equal(result.labels, model.labels_)
    assert result.centroids == pytest.approx(scale.inverse_transform(model.cluster_centers_))


def test_a_row_scaler_groups_shapes_whatever_their_size() -> None:
    hours = np.arange(24)
    shapes = np.stack([2 + np.sin(hours / 4), 2 + np.cos(hours / 2)])
    kind = np.arange(100) % 2
    X = shapes[kind] * np.random.default_rng(0).uniform(1, 1000, (100, 1))
    result = kmeans(X, k=2, scaler="row-mean")
    assert adjusted_rand_score(kind, result.labels) == 1
    assert result.centroids[result.labels[0]] == pytest.approx(X[kind == 0].mean(axis=0))
    assert (result.band_low <= result.centroids + 1e-9).all()


def test_without_k_the_curve_is_kept_and_the_true_number_of_groups_is_found() -> None:
    result = kmeans(blobs(400, 4, centres=4, seed=3, spread=0.2), k_range=(2, 7))
    assert result.k == 4
    assert [point.k for point in result.curve] == [2, 3, 4, 5, 6, 7]
    inertia = [point.inertia for point in result.curve]
    assert inertia == sorted(inertia, reverse=True)


def test_a_handful_of_outliers_is_not_proposed_as_a_cluster() -> None:
    X = np.concatenate([blobs(400, 3, centres=3, seed=5, spread=0.3), [[1e4, 1e4, 1e4], [1e4, 1e4, 1e4 + 1]]])
    result = kmeans(X, k_range=(2, 6))
    assert result.k == 4
    assert sorted(result.sizes.tolist())[0] == 2


def test_the_sampled_engine_is_within_two_percent_of_scikit_learns_inertia() -> None:
    for seed in range(3):
        X = blobs(30_000, 12, centres=9, seed=seed, spread=2.0) + 1000
        ours = kmeans(X, k=6, engine="sampled", quality=False)
        inertia = float(((X - ours.centroids[ours.labels]) ** 2).sum())
        assert ours.inertia == pytest.approx(inertia, rel=1e-3)
        assert inertia <= 1.02 * KMeans(6, random_state=seed).fit(X).inertia_


def test_a_parquet_file_in_pieces_gives_the_clusters_of_the_whole(tmp_path: Path) -> None:
    X = blobs(50_000, 5, centres=4, seed=2, spread=0.4)
    pl.DataFrame(X, schema=list("abcde")).write_parquet(tmp_path / "rows.parquet", row_group_size=7_000)
    streamed = kmeans_parquet(tmp_path / "rows.parquet", k=4)
    whole = kmeans(X, k=4, engine="full", quality=False)
    assert adjusted_rand_score(streamed.labels, whole.labels) > 0.999
    assert streamed.inertia == pytest.approx(whole.inertia, rel=0.01)


def test_a_parquet_file_with_a_missing_value_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1.0, None, 3.0], "b": [1.0, 2.0, 4.0]}).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(NotFinite) as caught:
        kmeans_parquet(tmp_path / "rows.parquet", k=1)
    assert caught.value.columns == ("a",)
    assert caught.value.rows == (1,)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(20, 400), st.integers(1, 12), st.floats(0.05, 4))
def test_dbscan_by_blocks_gives_scikit_learns_labels(
    seed: int, columns: int, rows: int, min_samples: int, eps: float
) -> None:
    X = blobs(rows, columns, seed=seed)
    labels, core = block_dbscan(X, eps, min_samples, Deadline(None))
    model = DBSCAN(eps=eps, min_samples=min_samples).fit(X)
    assert np.array_equal(labels, model.labels_)
    assert np.array_equal(np.flatnonzero(core), model.core_sample_indices_)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 3), st.integers(1, 9))
def test_rows_exactly_eps_apart_are_neighbours_in_both(seed: int, columns: int, eps: int, min_samples: int) -> None:
    X = np.random.default_rng(seed).integers(0, 12, (300, columns)).astype(float)
    labels, core = block_dbscan(X, float(eps), min_samples, Deadline(None))
    model = DBSCAN(eps=eps, min_samples=min_samples).fit(X)
    assert np.array_equal(labels, model.labels_)
    assert np.array_equal(np.flatnonzero(core), model.core_sample_indices_)


def test_ten_thousand_rows_with_noise_and_repeats_agree_with_scikit_learn() -> None:
    X = np.concatenate([blobs(6_000, 8), np.repeat(blobs(20, 8, seed=4), 200, axis=0), 1e6 * blobs(5, 8, seed=9)])
    result = dbscan(X, eps=1.2, min_samples=6)
    assert result.engine != "scikit-learn DBSCAN"
    model = DBSCAN(eps=1.2, min_samples=6).fit(X)
    assert np.array_equal(result.labels, model.labels_)
    assert result.kinds.count("core") == len(model.core_sample_indices_)


def test_an_outlier_is_explained_by_the_hour_in_which_it_differs() -> None:
    random = np.random.default_rng(0)
    hours = np.arange(24)
    X = 100 + 30 * np.sin(hours / 4) + random.normal(0, 1, (200, 24))
    X[17, 5] += 60
    result = dbscan(X, eps=12, min_samples=5)
    assert result.labels[17] == -1
    outlier = next(one for one in result.outliers if one.row == 17)
    assert outlier.causes[0].column == "column_5"
    assert outlier.causes[0].direction == "above"
    assert outlier.causes[0].deviation == pytest.approx(60, abs=5)


def test_eps_from_the_knee_finds_the_planted_outliers() -> None:
    X = np.concatenate([blobs(500, 2, centres=3, seed=1, spread=0.3), [[30, 30], [-30, 20], [25, -40]]])
    result = dbscan(X, min_samples=5)
    assert result.eps_source == "knee"
    assert (result.labels[-3:] == -1).all()
    assert (result.labels == -1).sum() < 50
    assert len(result.k_distances)


def test_neighbours_that_do_not_fit_the_memory_are_an_error_and_not_a_dead_process() -> None:
    with pytest.raises(MemoryLimitReached) as caught:
        dbscan(blobs(6_000, 2), eps=0.3, min_samples=2_000, limits=MiningLimits(memory_mb=1))
    assert caught.value.field == "memory_mb"


def test_an_eps_that_reaches_everything_takes_larger_blocks_and_then_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    X = blobs(6_000, 3)
    monkeypatch.setattr(blocks, "_MOST_PAIRS", 30)
    labels, _ = block_dbscan(X, 0.7, 5, Deadline(None))
    assert np.array_equal(labels, DBSCAN(eps=0.7, min_samples=5).fit(X).labels_)
    monkeypatch.setattr(blocks, "_MOST_PAIRS", 2)
    with pytest.raises(NeighbourhoodTooLarge) as caught:
        block_dbscan(X, 100.0, 5, Deadline(None))
    assert caught.value.field == "eps"


def test_time_is_limited() -> None:
    with pytest.raises(TimeLimitReached):
        dbscan(blobs(6_000, 2), eps=0.5, limits=MiningLimits(time_limit_s=1e-9))


GOOD = [[1.0, 2.0], [2.0, 1.0], [5.0, 5.0]]


@pytest.mark.parametrize(
    ("rows", "parameters", "error"),
    [
        ([[1.0, 2.0], [2.0, float("nan")]], {"k": 1}, NotFinite),
        ([[1.0, 2.0], [2.0, float("inf")]], {"k": 1}, NotFinite),
        ([[1.0, 2.0], [2.0, None]], {"k": 1}, NotFinite),
        ([[1.0, 2.0], [1.0, 3.0]], {"k": 1}, ConstantColumns),
        ([[1.0, 2.0]], {"k": 1}, TooFewRows),
        ([], {"k": 1}, TooFewRows),
        ([[1.0, 2.0], [1.0]], {"k": 1}, RaggedRows),
        ([[1.0, "x"], [1.0, 2.0]], {"k": 1}, NotNumeric),
        ([[1e200, 1.0], [0.0, 2.0]], {"k": 1}, ParameterOutOfRange),
        (GOOD, {"k": 4}, TooManyClusters),
        (GOOD, {"k": 0}, ParameterOutOfRange),
        (GOOD, {"k": True}, ParameterOutOfRange),
        (GOOD, {"k": 2, "scaler": "magic"}, ParameterOutOfRange),
        (GOOD, {"k": 2, "constant_columns": "maybe"}, ParameterOutOfRange),
        ([[1.0, -2.0], [3.0, 1.0]], {"k": 1, "scaler": "row-mean"}, ParameterOutOfRange),
        ([[1.0, 2.0], [1.0, 2.0], [3.0, 1.0]], {"k": 3}, TooManyClusters),
    ],
)
def test_bad_input_is_an_error_that_names_field_and_limit(
    rows: list[list[float]], parameters: dict[str, object], error: type[MiningError]
) -> None:
    with pytest.raises(error) as caught:
        kmeans(rows, **parameters)  # type: ignore[arg-type]
    assert caught.value.field
    assert caught.value.limit


@pytest.mark.parametrize(
    ("parameters", "field"),
    [({"eps": 0}, "eps"), ({"eps": float("nan")}, "eps"), ({"eps": 1, "min_samples": 0}, "min_samples")],
)
def test_bad_parameters_of_dbscan_are_named(parameters: dict[str, float], field: str) -> None:
    with pytest.raises(ParameterOutOfRange) as caught:
        dbscan(GOOD, **parameters)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_constant_columns_can_be_dropped_or_kept() -> None:
    X = np.column_stack([blobs(50, 2), np.ones(50)])
    dropped = kmeans(X, k=3, constant_columns="drop")
    assert dropped.dropped_columns == ("column_2",)
    assert dropped.centroids.shape == (3, 2)
    kept = kmeans(X, k=3, constant_columns="keep")
    assert np.array_equal(kept.labels, dropped.labels)
