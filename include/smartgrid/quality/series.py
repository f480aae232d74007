"""A batch and its context as sorted columns: zone by zone, in time order, so that neighbours are array neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.quality.finding import Flags, Floats, Integers
from smartgrid.quality.rules import MICROSECONDS_PER_MINUTE

Codes = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Series:
    """Equally long arrays. `row` is the position in the batch; context rows have positions from `batch_rows` on."""

    code: Codes
    time_us: Integers
    load_kw: Floats
    temperature_c: Floats
    row: Integers
    batch_rows: int

    def __len__(self) -> int:
        return len(self.row)

    def only(self, keep: Flags) -> Series:
        """The rows where `keep` holds."""
        if keep.all():
            return self
        return Series(
            self.code[keep],
            self.time_us[keep],
            self.load_kw[keep],
            self.temperature_c[keep],
            self.row[keep],
            self.batch_rows,
        )

    @property
    def is_context(self) -> Flags:
        return self.row >= self.batch_rows

    def zone_bounds(self) -> Integers:
        """Positions where a zone starts, and the length: zone k is `bounds[k]:bounds[k + 1]`."""
        if not len(self):
            return np.zeros(1, dtype=np.int64)
        changes = np.flatnonzero(self.code[1:] != self.code[:-1]) + 1
        return np.concatenate(([0], changes, [len(self)])).astype(np.int64)


def zone_codes(zones: pl.Series) -> tuple[Codes, list[str]]:
    """A number for each zone, in order of appearance, and the names. Nulls must not be in `zones`."""
    names = zones.unique(maintain_order=True)
    codes = zones.cast(pl.Enum(names)).to_physical().cast(pl.UInt32).to_numpy()
    return codes, names.to_list()


def time_order(code: Codes, time_us: Integers) -> Integers | None:
    """Order by zone and time, or None where the rows are already in it (a fraction of the cost of sorting).

    Times are whole minutes. Rows of the same zone and time come in any order.
    """
    if _ordered(code, time_us):
        return None
    # Sources with one line per interval and a column per zone only need the zones collected: a radix sort.
    if int(code.max()) < 2**16:
        order = np.argsort(code.astype(np.uint16), kind="stable")
        if _ordered(code[order], time_us[order]):
            return order
    minute = (time_us - time_us.min()) // MICROSECONDS_PER_MINUTE
    span = int(minute.max()) + 1
    if span * (int(code.max()) + 1) < 2**62:
        return np.argsort(code * np.int64(span) + minute)
    return np.lexsort((time_us, code))


def _ordered(code: Codes, time_us: Integers) -> bool:
    rising = code[1:] > code[:-1]
    within = (code[1:] == code[:-1]) & (time_us[1:] >= time_us[:-1])
    return bool((rising | within).all())
