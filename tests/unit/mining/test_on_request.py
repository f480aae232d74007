"""Requests of the API as the mining functions see them, without the API."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from smartgrid.mining.dataset_files import CLOSED, DatasetChanged, DatasetRefused, content, located
from smartgrid.mining.errors import MiningError, NotNumeric, ParameterOutOfRange, RaggedRows
from smartgrid.mining.on_request import answer, encoded
from smartgrid.mining.request_files import jobs_folder
from smartgrid.mining.request_job import answer_request
from smartgrid.settings import Settings

CLUSTERING: dict[str, Any] = {"scaler": "none", "constant_columns": "refuse", "seed": 0}
KMEANS: dict[str, Any] = CLUSTERING | {"k": 2, "max_k": 3, "n_init": 2}
RECORDS = [{"meter": "a", "x": 1, "y": 0.5}, {"meter": "b", "x": 2, "y": 0.25}, {"meter": "c", "x": 9, "y": 7.0}]


@pytest.fixture
def settings(configure: Any) -> Settings:
    found: Settings = configure()
    return found


def test_numbers_that_json_has_not_become_null() -> None:
    result = {"z": float("inf"), "rows": [[1.0, float("nan")], [-float("inf"), 0.1]], "name": "é"}
    assert json.loads(encoded(result)) == {"z": None, "rows": [[1.0, None], [None, 0.1]], "name": "é"}


def test_objects_and_lists_give_the_same_clusters(settings: Settings) -> None:
    objects = answer("kmeans", KMEANS | {"data": RECORDS}, settings)
    lists = answer("kmeans", KMEANS | {"data": [[1, 0.5], [2, 0.25], [9, 7.0]], "columns": ["x", "y"]}, settings)
    assert objects["ids"] == ["a", "b", "c"]
    assert lists["ids"] is None
    for name in ("labels", "columns", "centroids", "inertia"):
        assert objects[name] == lists[name]


def test_features_choose_columns_and_keep_a_named_id(settings: Settings) -> None:
    chosen = answer("kmeans", KMEANS | {"data": RECORDS, "features": ["y"], "id_column": "meter"}, settings)
    assert (chosen["columns"], chosen["ids"]) == (["y"], ["a", "b", "c"])
    with pytest.raises(ParameterOutOfRange, match="features"):
        answer("kmeans", KMEANS | {"data": RECORDS, "features": ["z"]}, settings)
    with pytest.raises(ParameterOutOfRange, match="id_column"):
        answer("kmeans", KMEANS | {"data": RECORDS, "features": ["y"], "id_column": "z"}, settings)


@pytest.mark.parametrize(
    ("data", "error"),
    [([[1.0, 2.0], [3.0]], RaggedRows), ([{"x": 1}, {"x": "one"}], NotNumeric), ([{"x": 1}, {"y": 2}], MiningError)],
)
def test_rows_that_do_not_fit_together_are_refused(settings: Settings, data: Any, error: type[MiningError]) -> None:
    with pytest.raises(error):
        answer("kmeans", KMEANS | {"data": data}, settings)


def test_an_unknown_method_is_named(settings: Settings) -> None:
    with pytest.raises(ParameterOutOfRange, match="spectral"):
        answer("spectral", {}, settings)


def test_files_are_found_in_home_and_lake_and_nowhere_else(settings: Settings, tmp_path: Path) -> None:
    lake = settings.home / "lake"
    lake.mkdir(parents=True)
    (lake / "a.csv").write_text("x,y\n1,2\n")
    for uri in ("a.csv", "lake/a.csv", str(lake / "a.csv"), (lake / "a.csv").as_uri()):
        assert located(uri, settings).uri == str((lake / "a.csv").resolve())
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    for name in CLOSED:
        (settings.home / name).mkdir(exist_ok=True)
        (settings.home / name / "c.csv").write_text("x\n1\n")
    for uri in (
        str(tmp_path / "b.csv"),
        "../b.csv",
        "lake",
        "none.csv",
        "x\0.csv",
        *(f"{name}/c.csv" for name in CLOSED),
    ):
        with pytest.raises(DatasetRefused):
            located(uri, settings)


def test_a_lake_elsewhere_is_the_only_other_place(configure: Any, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other" / "lake"
    elsewhere.mkdir(parents=True)
    (elsewhere / "a.parquet").write_bytes(b"x")
    settings = configure(lake_url=str(elsewhere))
    assert located("a.parquet", settings).uri == str(elsewhere / "a.parquet")
    remote = configure(lake_url="s3://grid/lake")
    assert located("s3://grid/lake/x/a.parquet", remote).size_bytes is None
    for uri in (
        "s3://grid/a.parquet",
        "s3://grid/lake/../a.parquet",
        "s3://grid/lake2/a.csv",
        str(elsewhere / "a.parquet"),
    ):
        with pytest.raises(DatasetRefused):
            located(uri, remote)


def test_content_has_to_have_the_checksum(settings: Settings) -> None:
    path = settings.home / "a.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x\n1\n")
    file = located("a.csv", settings)
    assert content(file, hashlib.sha256(b"x\n1\n").hexdigest()) == b"x\n1\n"
    with pytest.raises(DatasetChanged):
        content(file, "0" * 64)
    path.unlink()
    with pytest.raises(DatasetRefused):
        content(file, "0" * 64)


def stored(settings: Settings, request: dict[str, Any]) -> tuple[str, str, Path]:
    job_id = "mine-" + "a" * 32
    folder = jobs_folder(settings) / job_id
    folder.mkdir(parents=True)
    data = json.dumps({"method": "kmeans", "request": KMEANS | request}).encode()
    (folder / "request.json").write_bytes(data)
    return job_id, hashlib.sha256(data).hexdigest(), folder


def test_a_stored_request_is_worked_off_once(settings: Settings) -> None:
    job_id, sha256, folder = stored(settings, {"data": RECORDS})
    told = answer_request(job_id, sha256)
    result = (folder / "result.json").read_bytes()
    assert told["sha256"] == hashlib.sha256(result).hexdigest()
    assert json.loads(result)["k"] == 2
    written = (folder / "result.json").stat().st_mtime_ns
    assert answer_request(job_id, sha256)["sha256"] == told["sha256"]
    assert (folder / "result.json").stat().st_mtime_ns == written


def test_a_refused_request_says_so_beside_itself(settings: Settings) -> None:
    job_id, sha256, folder = stored(settings, {"data": RECORDS, "k": 4})
    with pytest.raises(MiningError):
        answer_request(job_id, sha256)
    refusal = json.loads((folder / "refusal.json").read_bytes())
    assert (refusal["field"], refusal["limit"]) == ("k", "1 to 3")
    with pytest.raises(DatasetChanged):
        answer_request(job_id, "0" * 64)
    for wrong in ("mine-x", "../../secrets", "mine-" + "b" * 32):
        with pytest.raises(MiningError):
            answer_request(wrong, sha256)
