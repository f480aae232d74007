"""Is each value by itself a possible one?"""

from __future__ import annotations

import numpy as np
import polars as pl

from smartgrid.quality.finding import Finding, Floats
from smartgrid.quality.reasons import Reason
from smartgrid.quality.rules import Rules


def value_findings(frame: pl.DataFrame, load_kw: Floats, temperature_c: Floats, rules: Rules) -> list[Finding]:
    """Check load and temperature of the landing rows; nulls are NaN in the arrays."""
    return [*_load(frame, load_kw, rules), *_temperature(frame, temperature_c, rules)]


def _load(frame: pl.DataFrame, load_kw: Floats, rules: Rules) -> list[Finding]:
    findings = []
    low = -rules.load_max_kw if rules.limits.allow_negative_load else 0.0
    # One comparison that NaN fails too: only what is left needs a closer look.
    suspects = np.flatnonzero(~((load_kw >= low) & (load_kw <= rules.load_max_kw)))
    if not len(suspects):
        return []
    value = load_kw[suspects]
    unparsed = frame["raw_load"].gather(suspects)
    has_text = unparsed.is_not_null().to_numpy()
    null = frame["load_kw"].gather(suspects).is_null().to_numpy()
    missing = null & ~has_text
    findings.append(Finding(Reason.LOAD_MISSING, suspects[missing]))
    broken = (null & has_text) | (~null & ~np.isfinite(value))
    text = np.where(has_text, unparsed.to_numpy(), value.astype(str))
    findings.append(Finding(Reason.LOAD_NOT_A_NUMBER, suspects[broken], value=text[broken]))
    finite = ~missing & ~broken
    if not rules.limits.allow_negative_load:
        negative = finite & (value < 0)
        findings.append(Finding(Reason.LOAD_NEGATIVE, suspects[negative], value=value[negative], limit=0.0))
    beyond = finite & (np.abs(value) > rules.load_max_kw)
    findings.append(Finding(Reason.LOAD_OUT_OF_RANGE, suspects[beyond], value=value[beyond], limit=rules.load_max_kw))
    return findings


def _temperature(frame: pl.DataFrame, temperature_c: Floats, rules: Rules) -> list[Finding]:
    # A missing temperature is allowed; one that is there must be a number.
    inside = (temperature_c >= rules.temperature_min_c) & (temperature_c <= rules.temperature_max_c)
    suspects = np.flatnonzero(~inside)
    if len(suspects) and frame["temperature_c"].null_count():
        plain_null = (
            frame["temperature_c"].gather(suspects).is_null() & frame["raw_temperature"].gather(suspects).is_null()
        )
        suspects = suspects[~plain_null.to_numpy()]
    if not len(suspects):
        return []
    value = temperature_c[suspects]
    finite = np.isfinite(value)
    unparsed = frame["raw_temperature"].gather(suspects)
    text = np.where(unparsed.is_not_null().to_numpy(), unparsed.to_numpy(), value.astype(str))
    return [
        Finding(Reason.TEMPERATURE_NOT_A_NUMBER, suspects[~finite], value=text[~finite]),
        Finding(
            Reason.TEMPERATURE_IMPLAUSIBLE,
            suspects[finite],
            value=value[finite],
            limit=f"{rules.temperature_min_c:g} to {rules.temperature_max_c:g}",
        ),
    ]
