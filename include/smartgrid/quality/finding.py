"""What one check found: rows, and the evidence for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.quality.reasons import Reason

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Evidence = npt.NDArray[Any] | float | str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """`rows`: positions in the batch. Evidence: a scalar for all rows, or an array with one value a row."""

    reason: Reason
    rows: Integers
    value: Evidence = None
    limit: Evidence = None
    previous: Evidence = None
    following: Evidence = None
    note: Evidence = None
