"""The proof that an exported model gives the numbers of the model it was made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.features.schema import FeatureSchema
from smartgrid.savedmodel.errors import ExportParityError

Floats = npt.NDArray[np.float64]

CHECK_ROWS = 10_000
ALLOWED = 1e-6  # relative
SMALLEST_KW = 0.001  # differences are relative to at least one watt
KINDS = ("held out", "missing values", "out of range")


@dataclass(frozen=True, slots=True)
class CheckRows:
    """Rows (n, k) to compare on, and the kind of each: index into KINDS."""

    X: Floats
    kind: npt.NDArray[np.int64]


def check_rows(held_out: Floats, schema: FeatureSchema, count: int = CHECK_ROWS, seed: int = 0) -> CheckRows:
    """`count` rows: three fifths real ones, one fifth with missing values, one fifth far out of range.

    Zone, slot and level are never missing (no row of the platform is without them), but take values that training
    did not see. Rows without a level are left out: a model answers NaN to them by definition.
    """
    generator = np.random.default_rng(seed)
    level, keys = schema.index("level_kw"), [schema.index(name) for name in ("zone_code", "slot", "level_kw")]
    usable = held_out[np.isfinite(held_out[:, level])]
    if len(usable) < count:
        X = usable[np.concatenate([np.arange(len(usable)), generator.integers(0, len(usable), count - len(usable))])]
    else:
        X = usable[generator.choice(len(usable), count, replace=False)]
    kind = np.repeat([0, 1, 2], [count - 2 * (count // 5), count // 5, count // 5])

    missing, far = np.flatnonzero(kind == 1), np.flatnonzero(kind == 2)
    holes = generator.random((len(missing), X.shape[1])) < 0.2
    holes[: max(1, len(missing) // 20)] = True  # some rows know nothing but their keys
    holes[:, keys] = False
    X[missing] = np.where(holes, np.nan, X[missing])

    with np.errstate(all="ignore"):
        low, high = np.nanmin(usable, axis=0), np.nanmax(usable, axis=0)
    span = np.where(np.isfinite(high - low), high - low, 0.0) + 1.0
    X[far] += np.where(
        generator.random((len(far), X.shape[1])) < 0.3, generator.normal(0, 3, (len(far), X.shape[1])) * span, 0.0
    )
    X[far, schema.index("zone_code")] = generator.integers(-1, len(schema.zones) + 1, len(far))
    X[far, schema.index("slot")] = generator.integers(-1, schema.slots_per_day + 2, len(far))
    X[far, level] = np.abs(X[far, level])
    return CheckRows(X, kind)


def largest_difference(expected_kw: Floats, exported_kw: Floats, rows: CheckRows) -> float:
    """Largest relative difference.

    Raises:
        ExportParityError: it is above 1e-6, or a value is finite on one side only.
    """
    if exported_kw.shape != expected_kw.shape:
        raise ExportParityError(np.inf, ALLOWED, 0, "shape", float(expected_kw.size), float(exported_kw.size))
    both_missing = np.isnan(expected_kw) & np.isnan(exported_kw)
    with np.errstate(invalid="ignore"):
        difference = np.abs(exported_kw - expected_kw) / np.maximum(np.abs(expected_kw), SMALLEST_KW)
    difference = np.where(both_missing | (expected_kw == exported_kw), 0.0, difference)
    difference = np.where(np.isnan(difference), np.inf, difference)
    worst = int(np.argmax(difference))
    largest = float(difference[worst])
    if largest > ALLOWED:
        raise ExportParityError(
            largest, ALLOWED, worst, KINDS[rows.kind[worst]], float(expected_kw[worst]), float(exported_kw[worst])
        )
    return largest
