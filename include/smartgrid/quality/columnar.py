"""The bulk pass: every row check over a whole batch, on arrays; Python objects only for rejected rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.quality.checks.duplicates import resolve_duplicates
from smartgrid.quality.checks.flat_line import flat_line_finding
from smartgrid.quality.checks.identity import identity_findings
from smartgrid.quality.checks.out_of_range import out_of_range_finding
from smartgrid.quality.checks.spike import spike_finding
from smartgrid.quality.checks.temperature_jump import temperature_jump_finding
from smartgrid.quality.checks.values import value_findings
from smartgrid.quality.checks.zero import zero_finding
from smartgrid.quality.finding import Finding, Flags, Floats, Integers
from smartgrid.quality.rules import Rules
from smartgrid.quality.series import Series, time_order, zone_codes

# Removing a spike can uncover a smaller one beside it.
SPIKE_PASSES = 3


@dataclass(frozen=True, slots=True)
class Judgement:
    """`mask`: one integer a batch row, bit `Reason` set where it holds; zero means accepted."""

    mask: npt.NDArray[np.uint32]
    findings: list[Finding]

    @property
    def accepted(self) -> Flags:
        accepted: Flags = self.mask == 0
        return accepted


def judge(frame: pl.DataFrame, rules: Rules, context: pl.DataFrame | None = None) -> Judgement:
    """Judge the rows of a landing batch.

    `context`: accepted measurements (zone, time, load_kw, temperature_c) around the batch. They inform the checks of
    neighbours and of what a zone normally reads, and are never judged themselves.
    """
    n = frame.height
    mask = np.zeros(n, dtype=np.uint32)
    findings: list[Finding] = []

    def record(new: Finding) -> None:
        if len(new.rows):
            mask[new.rows] |= np.uint32(new.reason.bit)
            findings.append(new)

    if not n:
        return Judgement(mask, findings)
    time_us = _microseconds(frame["time"])
    load_kw, temperature_c = _floats(frame["load_kw"]), _floats(frame["temperature_c"])
    for finding in identity_findings(frame, time_us, rules):
        record(finding)
    for finding in value_findings(frame, load_kw, temperature_c, rules):
        record(finding)

    # From here on only rows that are possible by themselves: a wrong row must never speak against its neighbours.
    usable = None if not findings else np.flatnonzero(mask == 0)
    series = _series(frame["zone"], time_us, load_kw, temperature_c, usable, context)
    stay, duplicates = resolve_duplicates(series, _microseconds(frame["available_at"]))
    for finding in duplicates:
        record(finding)
    series = series.only(stay)
    record(temperature_jump_finding(series, rules))
    beyond = out_of_range_finding(series)
    record(beyond)
    if len(beyond.rows):
        series = series.only(~np.isin(series.row, beyond.rows))
    for check in (zero_finding, lambda rest: flat_line_finding(rest, rules)):
        stay, finding = check(series)
        record(finding)
        series = series.only(stay)
    for _ in range(SPIKE_PASSES):
        stay, finding = spike_finding(series, rules)
        if stay.all():
            break
        record(finding)
        series = series.only(stay)
    return Judgement(mask, findings)


def _series(
    zone: pl.Series,
    time_us: Integers,
    load_kw: Floats,
    temperature_c: Floats,
    usable: Integers | None,
    context: pl.DataFrame | None,
) -> Series:
    batch_rows = len(time_us)
    row = np.arange(batch_rows, dtype=np.int64)
    if usable is not None:
        zone, time_us, row = zone.gather(usable), time_us[usable], usable
        load_kw, temperature_c = load_kw[usable], temperature_c[usable]
    if context is not None and context.height:
        zone = pl.concat([zone, context["zone"]])
        time_us = np.concatenate((time_us, _microseconds(context["time"])))
        load_kw = np.concatenate((load_kw, _floats(context["load_kw"])))
        temperature_c = np.concatenate((temperature_c, _floats(context["temperature_c"])))
        row = np.concatenate((row, np.arange(batch_rows, batch_rows + context.height)))
    code, _ = zone_codes(zone)
    order = time_order(code, time_us)
    if order is not None:
        code, time_us, row = code[order], time_us[order], row[order]
        load_kw, temperature_c = load_kw[order], temperature_c[order]
    return Series(code, time_us, load_kw, temperature_c, row, batch_rows)


def _microseconds(times: pl.Series) -> Integers:
    physical = times.to_physical()
    return (physical.fill_null(0) if physical.null_count() else physical).rechunk().to_numpy()


def _floats(values: pl.Series) -> Floats:
    return (values.fill_null(float("nan")) if values.null_count() else values).rechunk().to_numpy()
