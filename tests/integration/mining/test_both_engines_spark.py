"""One contract, two engines: the local one and Spark give the same itemsets, labels and errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from sklearn.cluster import DBSCAN, KMeans
from sklearn.metrics import adjusted_rand_score

from smartgrid import mining
from smartgrid.lake import ChecksumMismatch, Window, write_parquet
from smartgrid.mining import MiningLimits, association, density, spark_dbscan
from smartgrid.mining.errors import (
    BasketTooLong,
    ConstantColumns,
    ItemNotText,
    ItemsetExplosion,
    ItemsetLimitReached,
    MemoryLimitReached,
    MiningError,
    NotFinite,
    NotNumeric,
    ParameterOutOfRange,
    TimeLimitReached,
    TooFewRows,
    TooManyClusters,
    UnreadableInput,
)
from smartgrid.settings import get_settings

Floats = npt.NDArray[np.float64]
WINDOW = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))


@pytest.fixture(scope="module", params=["local", "spark"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The engine that the settings name; one Spark session for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMARTGRID_ENGINE", request.param)
        patch.setenv("SMARTGRID_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("SMARTGRID_SPARK_MASTER", "local[2]")
        patch.setenv("SMARTGRID_SPARK_MEMORY_MB", "1024")
        patch.setenv("SMARTGRID_SPARK_OPTIONS", '{"spark.sql.shuffle.partitions": "2"}')
        # Only the quick compiler: this is a minute of cold code and no work.
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
        get_settings.cache_clear()
        if request.param == "spark":
            pytest.importorskip("pyspark", reason="PySpark is not installed: deploy/install.sh spark")
        yield request.param
        if request.param == "spark":
            from smartgrid.mining import spark_session

            spark_session.stop()
    get_settings.cache_clear()


def groups(rows: int, columns: int, seed: int = 0, spread: float = 0.5) -> Floats:
    random = np.random.default_rng(seed)
    middle = random.uniform(-5, 5, (5, columns))
    return middle[random.integers(0, 5, rows)] + spread * random.standard_normal((rows, columns))


def random_baskets(baskets: int, items: int, length: int) -> list[list[str]]:
    random = np.random.default_rng(0)
    weight = 1 / np.arange(1, items + 1)
    return [
        [f"i{item:03}" for item in random.choice(items, size=size, p=weight / weight.sum())]
        for size in random.poisson(length, baskets)
    ]


def meters(X: Floats) -> pl.DataFrame:
    frame = pl.DataFrame(X, schema=[f"q {quarter}" for quarter in range(X.shape[1])])
    frame.insert_column(0, pl.Series("meter", [f"M{row:04}" for row in range(len(X))]))
    return frame


def test_kmeans_of_a_parquet_file_is_as_good_as_scikit_learns(engine: str, tmp_path: Path) -> None:
    X = groups(537, 24)
    files = meters(X)
    path = tmp_path / "meters.parquet"
    if engine == "spark":  # which takes a folder too, its files in the order of their names
        path.mkdir()
        files[200:].write_parquet(path / "part-b.parquet")
        files[:200].write_parquet(path / "part-a.parquet")
    else:
        files.write_parquet(path)
    result = mining.kmeans(mining.open_matrix(path), k=5, n_init=2)
    best = KMeans(5, n_init=10, random_state=0).fit(X)
    assert result.inertia <= 1.02 * best.inertia_
    assert result.inertia == pytest.approx(((X - result.centroids[result.labels]) ** 2).sum())
    assert adjusted_rand_score(result.labels, best.labels_) > 0.99
    assert result.ids is not None
    assert result.ids == tuple(files["meter"])
    assert result.id_column == "meter"
    assert result.sizes.sum() == 537
    assert result.silhouette == pytest.approx(mining.kmeans(X, k=5, engine="full").silhouette, abs=0.01)
    assert ("Spark" in result.parameters["engine"]) == (engine == "spark")


def test_kmeans_groups_scaled_shapes_and_chooses_k(engine: str) -> None:
    hours = np.arange(24)
    shapes = np.stack([2 + np.sin(hours / 4), 2 + np.cos(hours / 2), 2 + np.sin(hours)])
    random = np.random.default_rng(0)
    kind = np.arange(120) % 3
    X = (shapes[kind] + 0.05 * random.standard_normal((120, 24))) * random.uniform(1, 1000, (120, 1))
    result = mining.kmeans(X, k_range=(3, 4), scaler="row-mean", n_init=1)
    assert result.k == 3
    assert [point.k for point in result.curve] == [3, 4]
    assert adjusted_rand_score(kind, result.labels) == 1
    assert result.centroids[result.labels[0]] == pytest.approx(X[kind == 0].mean(axis=0))


@pytest.mark.parametrize(("rows", "columns", "eps", "min_samples"), [(1500, 2, 0.3, 6), (900, 8, 1.7, 5)])
def test_dbscan_has_the_labels_of_scikit_learn_border_rows_included(
    engine: str, rows: int, columns: int, eps: float, min_samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_dbscan, "PART_ROWS", 300)  # many parts, so that clusters cross their walls
    X = np.round(groups(rows, columns, spread=0.9), 2)  # many distances are the same
    X[:50] = np.random.default_rng(1).uniform(-8, 8, (50, columns))
    X[100:110] = X[110:120]
    result = mining.dbscan(X, eps=eps, min_samples=min_samples)
    model = DBSCAN(eps=eps, min_samples=min_samples).fit(X)
    assert np.array_equal(result.labels, model.labels_)
    assert np.flatnonzero(result.core).tolist() == model.core_sample_indices_.tolist()
    assert result.kinds.count("border") > 20
    assert result.kinds.count("noise") > 20
    assert result.clusters > 1
    assert ("Spark" in result.engine) == (engine == "spark")


def test_dbscan_explains_outliers_with_its_own_eps_as_the_local_engine_does(engine: str, tmp_path: Path) -> None:
    X = np.concatenate([groups(600, 3, spread=0.3), [[30, 30, 1], [-30, 20, 2], [25, -40, 3]]])
    meters(X).write_parquet(tmp_path / "meters.parquet")
    matrix = mining.open_matrix(tmp_path / "meters.parquet")
    result = mining.dbscan(matrix, min_samples=5, scaler="standard")
    expected = density.dbscan(mining.read_matrix(tmp_path / "meters.parquet"), min_samples=5, scaler="standard")
    assert result.eps == pytest.approx(expected.eps)
    assert np.array_equal(result.labels, expected.labels)
    assert result.mean_neighbours == pytest.approx(expected.mean_neighbours, rel=1e-3)
    assert result.k_distances == pytest.approx(expected.k_distances)
    assert result.profiles == pytest.approx(expected.profiles)
    assert [(one.row, one.row_id, one.nearest_cluster) for one in result.outliers] == [
        (one.row, one.row_id, one.nearest_cluster) for one in expected.outliers
    ]
    for one, other in zip(result.outliers, expected.outliers, strict=True):
        assert one.distance == pytest.approx(other.distance)
        assert [cause.column for cause in one.causes] == [cause.column for cause in other.causes]
        assert [cause.z for cause in one.causes] == pytest.approx([cause.z for cause in other.causes])


def test_dbscan_of_nothing_but_noise_names_the_median_row(engine: str) -> None:
    X = groups(60, 2, spread=3.0)
    result = mining.dbscan(X, eps=1e-4)
    expected = density.dbscan(X, eps=1e-4)
    assert result.clusters == 0
    assert [one.nearest_cluster for one in result.outliers] == [-1] * 60
    assert [one.distance for one in result.outliers] == pytest.approx([one.distance for one in expected.outliers])


@pytest.mark.parametrize("method", ["apriori", "fp_growth"])
def test_itemsets_and_rules_are_the_same_to_the_last_bit(engine: str, method: str) -> None:
    baskets = random_baskets(600, 40, 7)
    result = getattr(mining, method)(baskets, min_support=0.02, min_confidence=0.4)
    expected = getattr(association, method)(baskets, min_support=0.02, min_confidence=0.4)
    assert len(result.itemsets) > 200
    assert result.itemsets == expected.itemsets
    assert result.rules == expected.rules
    assert (result.rules_found, result.rules_tried) == (expected.rules_found, expected.rules_tried)
    assert (result.transactions, result.distinct_items) == (expected.transactions, expected.distinct_items)
    assert not result.partial
    if engine == "spark":
        assert "FP-Growth" in result.engine  # for Apriori too, and the result says so


def test_the_smallest_count_is_not_lost_to_rounding_and_empty_baskets_count(engine: str) -> None:
    # 0.07 * 100 is 7.000000000000001.
    baskets = [["a", "b"]] * 7 + [["b"]] * 6 + [["c"]] * 6 + [[]] * 81
    result = mining.fp_growth(baskets, min_support=0.07)
    assert {one.items: one.count for one in result.itemsets} == {("a",): 7, ("b",): 13, ("a", "b"): 7}
    assert result.transactions == 100


def test_a_capped_search_is_marked_and_has_every_subset_of_its_itemsets(engine: str) -> None:
    baskets = random_baskets(400, 12, 6)
    whole = {one.items: one.count for one in association.apriori(baskets, min_support=0.05, max_length=3).itemsets}
    result = mining.fp_growth(baskets, min_support=0.05, max_length=3, limits=MiningLimits(max_itemsets=40))
    found = {one.items: one.count for one in result.itemsets}
    assert result.partial
    assert "max_itemsets" in str(result.partial_reason)
    assert 12 < len(found) <= 40
    assert found.items() <= whole.items()
    for items in found:
        assert len(items) == 1 or all(items[:out] + items[out + 1 :] in found for out in range(len(items)))
    with pytest.raises(ItemsetLimitReached):
        mining.fp_growth(baskets, min_support=0.05, limits=MiningLimits(max_itemsets=40, on_limit="error"))


def test_baskets_of_a_parquet_file_are_read_with_repeats_and_numbers_as_texts(engine: str, tmp_path: Path) -> None:
    lines = pl.DataFrame({"outage": [1, 2, 1, 3, 2, 2, 4], "code": [12, 7, 7, 7, 12, 12, 9]})
    ref = write_parquet(lines, str(tmp_path / "log.parquet"), WINDOW)
    baskets = mining.open_baskets(ref, transaction_column="outage", item_column="code")
    result = mining.apriori(baskets, min_support=0.5, min_confidence=0.6)
    assert {one.items: one.count for one in result.itemsets} == {("12",): 2, ("7",): 3, ("12", "7"): 2}
    assert result.transactions == 4
    assert {rule.antecedent for rule in result.rules} == {("12",), ("7",)}
    (tmp_path / "log.parquet").write_bytes((tmp_path / "log.parquet").read_bytes() + b" ")
    with pytest.raises(ChecksumMismatch):
        mining.open_baskets(ref, transaction_column="outage", item_column="code")


GOOD = [[1.0, 2.0], [2.0, 1.0], [5.0, 5.0]]
LONG = [["a"], [str(item) for item in range(5000)]]


@pytest.mark.parametrize(
    ("method", "data", "parameters", "error", "field"),
    [
        ("kmeans", [[1.0, 2.0], [2.0, None], [3.0, float("inf")]], {"k": 1}, NotFinite, "column(s) 'column_1'"),
        ("kmeans", [[1.0, 2.0], [1.0, 3.0]], {"k": 1}, ConstantColumns, "column(s) 'column_0'"),
        ("kmeans", [[1.0, 2.0]], {"k": 1}, TooFewRows, "data"),
        ("kmeans", [[1e200, 1.0], [0.0, 2.0]], {"k": 1}, ParameterOutOfRange, "data"),
        ("kmeans", GOOD, {"k": 4}, TooManyClusters, "k"),
        ("kmeans", GOOD, {"k": 0}, ParameterOutOfRange, "k"),
        ("kmeans", GOOD, {"k": 2, "scaler": "magic"}, ParameterOutOfRange, "scaler"),
        ("kmeans", [[1.0, -2.0], [3.0, 1.0]], {"k": 1, "scaler": "row-mean"}, ParameterOutOfRange, "scaler"),
        ("dbscan", GOOD, {"eps": 0}, ParameterOutOfRange, "eps"),
        ("dbscan", GOOD, {"eps": 1, "min_samples": 0}, ParameterOutOfRange, "min_samples"),
        ("fp_growth", [["a"]], {"min_support": -0.1}, ParameterOutOfRange, "min_support"),
        ("fp_growth", [["a"], ["b", 3]], {"min_support": 0.5}, ItemNotText, "basket 1"),
        ("apriori", LONG, {"min_support": 0.5}, BasketTooLong, "basket 1"),
        ("apriori", [[str(i) for i in range(40)], ["0"]], {"min_support": 0.01}, ItemsetExplosion, "min_support"),
        ("apriori", [], {"min_support": 0.5}, TooFewRows, "data"),
    ],
)
def test_bad_input_is_the_same_error(
    engine: str, method: str, data: Any, parameters: dict[str, Any], error: type[MiningError], field: str
) -> None:
    with pytest.raises(error) as caught:
        getattr(mining, method)(data, **parameters)
    assert caught.value.field == field
    assert caught.value.limit


def test_bad_files_are_the_same_errors(engine: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="no such file"):
        mining.open_matrix(tmp_path / "none.parquet")
    path = tmp_path / "bad.parquet"
    path.write_bytes(b"not Parquet")
    with pytest.raises(UnreadableInput):
        mining.open_matrix(path)
    pl.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}).write_parquet(path)
    with pytest.raises(NotNumeric) as caught:
        mining.open_matrix(path)
    assert (caught.value.column, caught.value.example) == ("b", "x")
    pl.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, None, float("nan")]}).write_parquet(path)
    with pytest.raises(NotFinite) as missing:
        mining.kmeans(mining.open_matrix(path), k=2)
    assert (missing.value.columns, missing.value.rows, missing.value.values) == (("b",), (1, 2), 2)
    pl.DataFrame({"transaction": [1, 2], "item": ["a", None]}).write_parquet(path)
    with pytest.raises(ItemNotText) as empty:
        mining.open_baskets(path)
    assert empty.value.field == "basket 1"
    with pytest.raises(UnreadableInput, match="no column thing"):
        mining.open_baskets(path, item_column="thing")


def test_limits_end_the_work_with_an_error_and_the_next_call_works(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TimeLimitReached):
        mining.dbscan(groups(6_000, 2), eps=0.5, limits=MiningLimits(time_limit_s=0.05))
    monkeypatch.setattr(density, "LISTED_ROWS", 1_000)
    with pytest.raises(MemoryLimitReached) as caught:
        mining.dbscan(groups(2_500, 2), eps=0.3, min_samples=1_000, limits=MiningLimits(memory_mb=1))
    assert caught.value.field == "memory_mb"
    assert mining.dbscan(GOOD, eps=0.1, min_samples=1).clusters == 3
