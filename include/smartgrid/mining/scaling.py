"""How a matrix is made comparable before it is clustered."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from smartgrid.mining.errors import ParameterOutOfRange
from smartgrid.mining.matrix import Matrix

Scaler = Literal["none", "standard", "minmax", "row-mean", "row-max"]
SCALERS = ("none", "standard", "minmax", "row-mean", "row-max")
_Floats = npt.NDArray[np.float64]


def prepared(matrix: Matrix, scaler: str) -> _Floats:
    """The values as they are clustered, float64 (n, d).

    none: as they are. standard and minmax: each column as scikit-learn's StandardScaler and MinMaxScaler have it.
    row-mean and row-max: each row divided by its own mean or maximum, which leaves the shape of a day and not its size.
    """
    values = matrix.values
    if scaler == "none":
        return values
    if scaler in ("standard", "minmax"):
        from sklearn.preprocessing import MinMaxScaler, StandardScaler

        scaled: _Floats = (StandardScaler() if scaler == "standard" else MinMaxScaler()).fit_transform(values)
        return scaled
    if scaler in ("row-mean", "row-max"):
        size: _Floats = values.mean(axis=1) if scaler == "row-mean" else values.max(axis=1)
        if not (size > 0).all():
            row = int(np.flatnonzero(~(size > 0))[0])
            raise ParameterOutOfRange(
                "scaler", scaler, f"row scalers need a {scaler[4:]} above 0 in each row; row {row} has {size[row]:g}"
            )
        return values / size[:, None]
    raise ParameterOutOfRange("scaler", scaler, ", ".join(SCALERS))
