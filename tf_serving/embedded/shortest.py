"""32-bit floats as the 64-bit floats that print with the fewest digits, whole arrays at a time."""

from __future__ import annotations

import numpy as np

from tf_serving.embedded.dtypes import Array

_FEW = 128  # values; below, by way of text is faster
_POWERS = np.array([float(f"1e{exponent}") for exponent in range(23)])  # all that a double holds exactly
_SMALLEST, _LARGEST = 1e-12, 1e15


def shortest_doubles(array: Array) -> Array:
    """0.1 for the 32-bit 0.1, not its neighbour 0.10000000149011612. Shape stays."""
    flat = array.ravel()
    if flat.size < _FEW:
        return _by_text(flat).reshape(array.shape)
    with np.errstate(invalid="ignore"):  # signalling NaNs, which come out as NaN
        wide = flat.astype(np.float64)
    size = np.abs(wide)
    usual = (size > _SMALLEST) & (size < _LARGEST)
    special = np.flatnonzero(~(usual | (size == 0)))
    wide[special] = _by_text(flat[special])
    pending = np.flatnonzero(usual)
    # Every value has 6 exact digits and none needs more than 9.
    for digits in (6, 7, 8, 9):
        values = flat[pending].astype(np.float64)
        shift = digits - 1 - np.floor(np.log10(np.abs(values))).astype(np.int64)
        power = _POWERS[np.abs(shift)]
        # Quotients and products of exact numbers: the nearest double to the decimal number, so it prints as that.
        if shift.min() >= 0:
            rounded = np.rint(values * power) / power
        else:
            rounded = np.where(shift >= 0, np.rint(values * power) / power, np.rint(values / power) * power)
        fits = rounded.astype(np.float32) == flat[pending]
        wide[pending[fits]] = rounded[fits]
        pending = pending[~fits]
        if not pending.size:
            break
    return wide.reshape(array.shape)


def _by_text(flat: Array) -> Array:
    return flat.astype("S32").astype(np.float64)
