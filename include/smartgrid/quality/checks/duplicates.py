"""Of several rows for one zone and time, which is the reading?

Rows that are wrong by themselves are not asked: a broken copy never pushes out a good one. The latest known value wins;
of equally late ones the first. Where every copy says the same, the first stays.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from smartgrid.quality.finding import Finding, Flags, Integers
from smartgrid.quality.reasons import Reason
from smartgrid.quality.series import Series


def resolve_duplicates(series: Series, available_us: Integers) -> tuple[Flags, list[Finding]]:
    """Which rows of `series` stay, and why the others do not.

    `available_us` is indexed by batch row. A context row (already in the lake) steps back for a batch row of the same
    zone and time, without a finding.
    """
    n = len(series)
    same = (series.code[1:] == series.code[:-1]) & (series.time_us[1:] == series.time_us[:-1])
    keep = np.ones(n, dtype=np.bool_)
    if not same.any():
        return keep, []
    member = np.zeros(n, dtype=np.bool_)
    member[1:] |= same
    member[:-1] |= same
    new_group = np.ones(n, dtype=np.bool_)
    new_group[1:] = ~same
    position = np.flatnonzero(member)
    row = series.row[position]
    context = row >= series.batch_rows
    group = np.cumsum(new_group, dtype=np.int64)[position]
    keep[position[context & np.isin(group, group[~context])]] = False
    position, row, group = position[~context], row[~context], group[~context]
    losers = _losers(series, position, row, group, available_us)
    keep[losers["position"].to_numpy()] = False
    findings = [
        Finding(
            reason,
            part["row"].to_numpy(),
            value=part["load_kw"].to_numpy(),
            note=np.array([f"kept row at position {kept}" for kept in part["kept"].to_list()], dtype=object),
        )
        for reason in (Reason.DUPLICATE, Reason.DUPLICATE_CONFLICT, Reason.SUPERSEDED)
        if (part := losers.filter(pl.col("reason") == int(reason))).height
    ]
    return keep, findings


def _losers(series: Series, position: Integers, row: Integers, group: Integers, available_us: Integers) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "position": position,
            "row": row,
            "group": group,
            "available": available_us[row],
            "load_kw": series.load_kw[position],
            "temperature_c": series.temperature_c[position],
        }
    )
    value = pl.struct("load_kw", "temperature_c")
    latest_first = pl.struct((-pl.col("available")).alias("a"), pl.col("row").alias("r"))
    frame = frame.with_columns(
        value.n_unique().over("group").alias("values"),
        pl.col("row").sort_by(latest_first).first().over("group").alias("latest"),
        pl.col("row").min().over("group").alias("first"),
    ).with_columns(pl.when(pl.col("values") == 1).then("first").otherwise("latest").alias("kept"))
    winner = frame.filter(pl.col("row") == pl.col("kept")).select(
        "group", won_load="load_kw", won_temperature="temperature_c", won_available="available"
    )
    same_value = pl.col("load_kw").eq_missing(pl.col("won_load")) & pl.col("temperature_c").eq_missing(
        pl.col("won_temperature")
    )
    return (
        frame.join(winner, on="group")
        .filter(pl.col("row") != pl.col("kept"))
        .with_columns(
            pl.when(same_value)
            .then(int(Reason.DUPLICATE))
            .when(pl.col("available") < pl.col("won_available"))
            .then(int(Reason.SUPERSEDED))
            .otherwise(int(Reason.DUPLICATE_CONFLICT))
            .alias("reason")
        )
    )
