"""accepted + rejected = ingested, whatever comes."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartgrid.lake.landing import LANDING_SCHEMA
from smartgrid.lake.measurements import MEASUREMENT_SCHEMA
from smartgrid.quality.accounting import balanced, split
from smartgrid.quality.columnar import judge
from smartgrid.quality.errors import AccountingError
from smartgrid.quality.rules import Rules, microseconds
from smartgrid.settings import Limits

HOUR_US = 3_600_000_000
FUTURE = datetime(2021, 1, 3, tzinfo=UTC)

loads = st.one_of(
    st.none(), st.sampled_from([0.0, 1.0, 1.0, 5.0, float("nan"), float("inf"), -1.0, 1e9]), st.floats(width=32)
)
times = st.one_of(
    st.none(),
    st.integers(0, 60).map(lambda hour: 1_609_459_200_000_000 + hour * HOUR_US),
    st.integers(-(10**17), 10**17),
)
rows = st.fixed_dictionaries(
    {
        "zone": st.sampled_from([None, "", " ", "A", "A", "B", "Zürich/1"]),
        "time": times,
        "load_kw": loads,
        "temperature_c": st.one_of(st.none(), st.floats(width=32), st.sampled_from([1.0, 40.0, -59.0])),
        "available_at": st.integers(0, 3).map(lambda hour: 1_609_459_200_000_000 + hour * HOUR_US),
        "raw_time": st.sampled_from([None, "yesterday"]),
        "raw_load": st.sampled_from([None, "n/a"]),
        "raw_temperature": st.sampled_from([None, "warm"]),
    }
)


def garbage(rows):
    frame = pl.DataFrame(rows, schema={name: LANDING_SCHEMA[name] for name in rows[0]}) if rows else pl.DataFrame()
    if not rows:
        return pl.DataFrame(schema=LANDING_SCHEMA)
    return frame.with_columns(
        row_number=pl.int_range(pl.len(), dtype=pl.Int64),
        source_ref=pl.lit("x"),
        temperature_forecast_c=pl.lit(None, pl.Float64),
    ).select(*LANDING_SCHEMA)


@settings(max_examples=300, deadline=None)
@given(st.lists(rows, max_size=60), st.integers(0, 60), st.booleans())
def test_no_row_is_ever_lost_or_invented(given_rows, cut, negative):
    frame = garbage(given_rows)
    rules = Rules(
        interval_us=HOUR_US,
        future_from_us=microseconds(FUTURE),
        limits=Limits(allow_negative_load=negative, flat_line_h=3),
    )
    context = split("c", frame[:cut], judge(frame[:cut], rules)).accepted.unique(["zone", "time"])
    batch = frame[cut:]
    parts = split("b", batch, judge(batch, rules, context))
    assert parts.accepted.height + parts.rejected.height == batch.height
    assert parts.accepted.schema == MEASUREMENT_SCHEMA
    assert sum(parts.reasons.values()) == parts.rejected.height
    # Each row is in exactly one part, unchanged.
    kept = set(batch["row_number"].to_list()) - set(parts.rejected["row_number"].to_list())
    assert len(kept) == parts.accepted.height
    assert parts.rejected.select(*LANDING_SCHEMA).equals(
        batch.filter(pl.col("row_number").is_in(parts.rejected["row_number"].implode()))
    )
    # What goes to the lake is a measurement.
    accepted = parts.accepted
    assert not accepted.select("zone", "time").is_duplicated().any()
    assert accepted["load_kw"].is_finite().all()
    assert accepted.select("zone", "time", "load_kw").null_count().sum_horizontal()[0] == 0
    assert negative or (accepted["load_kw"] >= 0).all()
    assert (accepted["time"] < FUTURE).all()


def test_a_lost_row_is_a_typed_error():
    with pytest.raises(AccountingError, match="5 accepted \\+ 4 rejected") as error:
        balanced("b1", ingested=10, accepted=5, rejected=4)
    assert (error.value.ingested, error.value.accepted, error.value.rejected) == (10, 5, 4)


def test_a_judgement_of_another_batch_is_refused(make_landing, rules):
    frame = make_landing(zones=1)
    judgement = judge(frame, rules)
    with pytest.raises((AccountingError, pl.exceptions.ShapeError)):
        split("b1", pl.concat([frame, frame]), judgement)
    assert np.all(judgement.accepted)
