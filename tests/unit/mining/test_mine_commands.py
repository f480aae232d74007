"""`smartgrid mine` on files: the same as scikit-learn and mlxtend on what is in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from sklearn.cluster import DBSCAN, KMeans
from typer.testing import CliRunner

from smartgrid.mining.commands import register
from smartgrid.mining.errors import ItemNotText, MiningError, NotFinite, NotNumeric, UnreadableInput
from smartgrid.mining.matrix import read_matrix

APP = typer.Typer()
register(APP)


def run(*arguments: str) -> dict[str, object]:
    done = CliRunner().invoke(APP, ["mine", *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def meters(folder: Path, rows: int = 120, name: str = "meter") -> tuple[Path, np.ndarray]:
    random = np.random.default_rng(0)
    X = np.round(random.gamma(2, 1, (rows, 1)) * (1 + np.sin(np.arange(24) / 4)) + random.random((rows, 24)), 4)
    frame = pl.DataFrame(X, schema=[f"h{hour:02}" for hour in range(24)])
    frame.insert_column(0, pl.Series(name, [f"MAC{row:06}" for row in range(rows)]))
    frame.write_csv(folder / "meters.csv")
    return folder / "meters.csv", X


def test_kmeans_of_a_csv_is_scikit_learns(tmp_path: Path) -> None:
    path, X = meters(tmp_path)
    answer = run("kmeans", "--input", str(path), "--k", "4")
    assert answer["labels"] == KMeans(4, n_init=10, random_state=0).fit(X).labels_.tolist()
    assert answer["id_column"] == "meter"
    assert answer["ids"][:1] == ["MAC000000"]  # type: ignore[index]


def test_dbscan_of_a_csv_is_scikit_learns(tmp_path: Path) -> None:
    path, X = meters(tmp_path)
    answer = run("dbscan", "--input", str(path), "--eps", "1.5", "--min-samples", "5")
    assert answer["labels"] == DBSCAN(eps=1.5, min_samples=5).fit(X).labels_.tolist()


def test_the_prepared_matrix_can_be_written_and_gives_the_same_again(tmp_path: Path) -> None:
    path, _ = meters(tmp_path)
    first = run(
        "kmeans", "--input", str(path), "--k", "3", "--scaler", "standard", "--write-matrix", str(tmp_path / "m.csv")
    )
    second = run("kmeans", "--input", str(tmp_path / "m.csv"), "--k", "3")
    assert first["labels"] == second["labels"]


@pytest.mark.parametrize("command", ["apriori", "fp-growth"])
def test_itemsets_and_rules_of_a_csv(tmp_path: Path, command: str) -> None:
    (tmp_path / "log.csv").write_text("transaction,item\n1,12\n2,storm\n1,storm\n3,storm\n2,12\n2,12\n4,flood\n")
    answer = run(command, "--input", str(tmp_path / "log.csv"), "--min-support", "0.5", "--min-confidence", "0.6")
    found = {tuple(one["items"]): one["support"] for one in answer["itemsets"]}  # type: ignore[attr-defined]
    assert found == {("12",): 0.5, ("storm",): 0.75, ("12", "storm"): 0.5}
    rules = {(tuple(one["antecedent"]), tuple(one["consequent"])) for one in answer["rules"]}  # type: ignore[attr-defined]
    assert rules == {(("12",), ("storm",)), (("storm",), ("12",))}
    assert answer["partial"] is False


def test_an_id_column_is_found_by_its_texts_or_its_name_and_can_be_denied(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,a,b\n7,1,2\n8,3,4\n")
    assert read_matrix(path).ids == ("7", "8")
    assert read_matrix(path, id_column="-").columns == ("id", "a", "b")
    path.write_text("a,b,c\n1,2,x\n3,4,y\n")
    assert read_matrix(path, id_column="c").columns == ("a", "b")
    with pytest.raises(NotNumeric) as caught:
        read_matrix(path)
    assert caught.value.column == "c"
    path.write_text("a,b\n1,2\n3,4\n")
    assert read_matrix(path).id_column is None


@pytest.mark.parametrize(
    ("text", "error"),
    [("", UnreadableInput), ("a,b\n1,2\n", UnreadableInput), ("transaction,item\n1,\n", ItemNotText)],
)
def test_a_file_without_transactions_is_refused(tmp_path: Path, text: str, error: type[MiningError]) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(error):
        run("apriori", "--input", str(tmp_path / "log.csv"), "--min-support", "0.5")


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="no such file"):
        run("kmeans", "--input", str(tmp_path / "none.csv"), "--k", "2")


@pytest.mark.parametrize(
    "text",
    [
        "household,a,b\nM1,1.5,2\nM2,3,4.25\n",
        "\ufeffhousehold,a,b\r\nM1,1.5,2\r\nM2,3,4.25\r\n",
        "household,a,b\n\nM1,1.5,2\n   \nM2,3,4.25\n\n\n",
        '"household","a","b"\n"M1","1.5","2"\n"M2","3","4.25"\n',
        "household;a;b\nM1;1.5;2\nM2;3;4.25\n",
        "household;a;b\nM1;1,5;2\nM2;3;4,25\n",
        "household\ta\tb\nM1\t1.5\t2\nM2\t3\t4.25\n",
        "household, a, b\nM1, 1.5, 2\nM2, 3, 4.25\n",
        "household,a,b,\nM1,1.5,2,\nM2,3,4.25,\n",
    ],
)
def test_a_csv_may_be_written_in_many_ways(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.csv").write_bytes(text.encode())
    matrix = read_matrix(tmp_path / "rows.csv")
    assert matrix.columns == ("a", "b")
    assert matrix.ids == ("M1", "M2")
    assert matrix.values.tolist() == [[1.5, 2.0], [3.0, 4.25]]


@pytest.mark.parametrize("missing", ["", "NA", "nan", "null"])
def test_a_missing_cell_is_named_as_missing(tmp_path: Path, missing: str) -> None:
    (tmp_path / "rows.csv").write_text(f"id,a,b\n1,1.5,2\n2,{missing},4\n3,1,1\n")
    with pytest.raises(NotFinite) as caught:
        run("kmeans", "--input", str(tmp_path / "rows.csv"), "--k", "2")
    assert (caught.value.columns, caught.value.rows) == (("a",), (1,))


def test_the_value_that_is_no_number_is_the_one_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,a,b\n1,1.5,2\n2,much,4\n3,1,1\n")
    with pytest.raises(NotNumeric) as caught:
        read_matrix(tmp_path / "rows.csv")
    assert (caught.value.column, caught.value.example) == ("a", "much")


@pytest.mark.parametrize(
    ("column", "is_id"),
    [
        ("LCLid", True),
        ("customerId", True),
        ("meter ID", True),
        ("account_no", True),
        ("Household", True),
        ("grid", False),
        ("humid", False),
        ("meter_kw", False),
        ("h00", False),
    ],
)
def test_whole_numbers_are_ids_in_a_first_column_that_is_called_so(tmp_path: Path, column: str, is_id: bool) -> None:
    (tmp_path / "rows.csv").write_text(f"{column},a,b\n7,1,2\n8,3,5\n9,2,2\n")
    assert (read_matrix(tmp_path / "rows.csv").id_column == column) == is_id


@pytest.mark.parametrize(
    "text",
    [
        "\ufefftransaction,item\nA,storm\nA,tree\nB,storm\n",
        "item;feeder;transaction\nstorm;1;A\ntree;1;A\nstorm;2;B\n",
        '"Transaction","Item"\n"A","storm"\n\n"A","tree"\n"B","storm"\n"B","storm"\n',
        "transaction, item\nA, storm\nA, tree\nB, storm\n",
    ],
)
def test_a_log_may_be_written_in_many_ways(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.csv").write_bytes(text.encode())
    answer = run("fp-growth", "--input", str(tmp_path / "log.csv"), "--min-support", "0.4")
    found = {tuple(one["items"]): one["count"] for one in answer["itemsets"]}  # type: ignore[attr-defined]
    assert found == {("storm",): 2, ("tree",): 1, ("storm", "tree"): 1}
