"""Arrays as tables inside H2O."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.automl.h2o_cluster import H2OCluster
from smartgrid.savedmodel.h2o_mojo import COLUMN

TARGET = "target"


def input_names(count: int) -> list[str]:
    """Names of the input columns inside H2O: by position, so that no name can collide or need quoting."""
    return [f"{COLUMN}{index}" for index in range(count)]


def upload(cluster: H2OCluster, X: npt.NDArray[np.float64], y: npt.NDArray[Any]) -> Any:
    """An H2OFrame with numeric columns C0, C1, ... and `target`: numeric, or categorical where `y` holds strings.

    Inputs are rounded to single precision, which halves the text that H2O has to read; models learn from values that
    are off by 1e-7, and are scored on exact ones.

    Raises:
        H2OFailed
    """
    import h2o

    names = input_names(X.shape[1])
    table = pl.DataFrame(X.astype(np.float32), schema=names).fill_nan(None).with_columns(pl.Series(TARGET, y))
    path = cluster.folder / f"upload-{id(table)}.csv"
    kinds = ["numeric"] * len(names) + ["enum" if table[TARGET].dtype == pl.String else "numeric"]
    try:
        table.write_csv(path)
        with cluster.calling("reading the training data"):
            return h2o.import_file(str(path), header=1, sep=",", col_names=[*names, TARGET], col_types=kinds)
    finally:
        path.unlink(missing_ok=True)
