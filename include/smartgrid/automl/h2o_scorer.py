"""H2O's own scorer: predictions of a MOJO by the Java classes of its vendor, without a cluster."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import polars.selectors as polars_selectors

from smartgrid.automl.h2o_cluster import H2OFailed, h2o_jar
from smartgrid.automl.java import find_java
from smartgrid.savedmodel.h2o_mojo import COLUMN

SCORE_S = 300.0


def score_mojo(mojo: bytes, X: npt.NDArray[np.float64]) -> pl.DataFrame:
    """What H2O predicts for rows (n, k): column `predict`, and one column a class where the model classifies.

    Raises:
        JavaMissing, H2OFailed
    """
    with tempfile.TemporaryDirectory(prefix="h2o-scorer-") as temporary:
        place = Path(temporary)
        (place / "model.zip").write_bytes(mojo)
        # Shortest decimal that reads back as the same double; an empty cell is a missing value.
        table = pl.DataFrame(X, schema=[f"{COLUMN}{index}" for index in range(X.shape[1])]).fill_nan(None)
        table.write_csv(place / "input.csv")
        command = [
            str(find_java()),
            "-Xmx1g",
            "-XX:+UseSerialGC",
            f"-Djava.io.tmpdir={place}",
            *("-cp", str(h2o_jar()), "hex.genmodel.tools.PredictCsv", "--mojo", str(place / "model.zip")),
            *("--input", str(place / "input.csv"), "--output", str(place / "output.csv"), "--decimal"),
        ]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=SCORE_S, check=False)
        except subprocess.TimeoutExpired:
            raise H2OFailed("scoring", f"not done within {SCORE_S:.0f} s") from None
        if ended.returncode != 0 or not (place / "output.csv").exists():
            raise H2OFailed("scoring", " | ".join((ended.stderr or ended.stdout).splitlines()[-5:])[:600])
        scored = pl.read_csv(place / "output.csv", infer_schema_length=None, null_values="NA")
    if scored.height != len(X):
        raise H2OFailed("scoring", f"{scored.height} predictions for {len(X)} rows")
    return scored.with_columns(polars_selectors.numeric().cast(pl.Float64).fill_null(np.nan))
