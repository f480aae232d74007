"""One mining request of the API: its data as a matrix or baskets, and the same functions that `smartgrid mine` calls.

A request is the validated body as plain JSON values (see smartgrid/api/analytics/models.py). It is worked off by a warm
worker (`worker.py`) or, when it is large, by the step of the DAG `mine_on_request` (`request_job.py`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from smartgrid.mining.dataset_files import DatasetFile, content, located
from smartgrid.mining.errors import NotNumeric, ParameterOutOfRange, RaggedRows, UnreadableInput
from smartgrid.mining.limits import MiningLimits
from smartgrid.settings import Settings

if TYPE_CHECKING:
    import polars as pl

    from smartgrid.mining.baskets import Baskets
    from smartgrid.mining.matrix import Matrix

Request = Mapping[str, Any]
_LIMITS = ("time_limit_s", "memory_mb", "max_itemsets", "max_rules", "max_basket_items", "on_limit")


def answer(method: str, request: Request, settings: Settings) -> dict[str, Any]:
    """The result of `method` (kmeans, dbscan, apriori, fp-growth) as JSON values.

    Raises:
        MiningError: with the field of the request that is wrong, and its limit.
    """
    from smartgrid import mining

    limits = MiningLimits(**{name: request[name] for name in _LIMITS if request.get(name) is not None})
    if method in ("kmeans", "dbscan"):
        matrix = _matrix(request, settings)
        common: dict[str, Any] = {name: request[name] for name in ("scaler", "constant_columns", "seed")}
        if method == "kmeans":
            k_range = (2, request["max_k"])
            return mining.kmeans(
                matrix, k=request["k"], k_range=k_range, n_init=request["n_init"], limits=limits, **common
            ).as_json()
        chosen = {name: request[name] for name in ("eps", "min_samples", "causes")}
        return mining.dbscan(matrix, limits=limits, **chosen, **common).as_json()
    search = {"apriori": mining.apriori, "fp-growth": mining.fp_growth}.get(method)
    if search is None:
        raise ParameterOutOfRange("method", method, "kmeans, dbscan, apriori or fp-growth")
    chosen = {name: request[name] for name in ("min_support", "min_confidence", "max_length", "all_rules")}
    return search(_baskets(request, settings), limits=limits, **chosen).as_json()


def encoded(result: object) -> bytes:
    """`result` as JSON. What JSON has no number for (NaN, infinity) is null."""
    try:
        return json.dumps(result, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except ValueError:
        return json.dumps(_finite(result), allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value


def _matrix(request: Request, settings: Settings) -> Matrix:
    import numpy as np

    from smartgrid.mining.matrix import Matrix, matrix_of_frame

    rows = request.get("data")
    if rows is not None and not isinstance(rows[0], dict):
        width = len(rows[0])
        for number, row in enumerate(rows):
            if len(row) != width:
                raise RaggedRows(number, len(row), width)
        names = tuple(request.get("columns") or (f"column_{number}" for number in range(width)))
        if len(names) != width:
            raise ParameterOutOfRange("columns", f"{len(names)} names", f"{width} names, one for each value of a row")
        matrix = Matrix(np.array(rows, dtype=np.float64).reshape(len(rows), width), names)
        features = request.get("features")
        if features is None:
            return matrix
        places = [_known(name, names) for name in features]
        return Matrix(np.ascontiguousarray(matrix.values[:, places]), tuple(features))
    frame = _read(request["dataset"], settings) if rows is None else _of_records(rows)
    id_column = request.get("id_column")
    if request.get("features") is not None:
        for name in request["features"]:
            _known(name, frame.columns)
        if id_column not in (None, "-"):
            _known(id_column, frame.columns, "id_column")
        # Asked for by name, these are all numbers: the first of them is no id.
        kept = [] if id_column in (None, "-") else [id_column]
        frame, id_column = frame.select([*kept, *request["features"]]), id_column or "-"
    return matrix_of_frame(frame, id_column=id_column)


def _known(name: str, names: Sequence[str], field: str = "features") -> int:
    if name not in names:
        raise ParameterOutOfRange(field, name, f"one of {', '.join(names[:20])}")
    return list(names).index(name)


def _of_records(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    import polars as pl

    names = list(dict.fromkeys(name for record in records for name in record))
    columns = []
    for name in names:
        values = [record.get(name) for record in records]
        if len({isinstance(value, str) for value in values if value is not None}) > 1:
            raise NotNumeric(name, next(value for value in values if isinstance(value, str)))
        if any(isinstance(value, float) for value in values):
            columns.append(pl.Series(name, [None if value is None else float(value) for value in values]))
        else:
            columns.append(pl.Series(name, values))
    return pl.DataFrame(columns)


def _baskets(request: Request, settings: Settings) -> Baskets:
    from smartgrid.mining.baskets import as_baskets, baskets_of_frame

    if request.get("transactions") is not None:
        return as_baskets(request["transactions"])
    frame = _read(request["dataset"], settings, as_text=True)
    return baskets_of_frame(frame, transaction_column=request["transaction_column"], item_column=request["item_column"])


def _read(reference: Mapping[str, str], settings: Settings, *, as_text: bool = False) -> pl.DataFrame:
    import polars as pl

    file: DatasetFile = located(reference["uri"], settings)
    data = io.BytesIO(content(file, reference["sha256"]))
    try:
        if file.suffix != ".csv":
            return pl.read_parquet(data)
        return pl.read_csv(data, infer_schema=False) if as_text else pl.read_csv(data, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        wanted = "a CSV file whose first line has the names, or a Parquet file"
        raise UnreadableInput(reference["uri"], str(error).splitlines()[0], wanted) from error
