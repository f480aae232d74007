"""What each check promises, row by row."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from smartgrid.quality.accounting import split
from smartgrid.quality.columnar import judge
from smartgrid.settings import Limits

AT = 100  # a row in the middle of zone Z1


def with_value(frame, row, **values):
    for name, value in values.items():
        column = frame[name].to_list()
        column[row] = value
        frame = frame.with_columns(pl.Series(name, column, dtype=frame.schema[name]))
    return frame


def rejected(frame, rules, context=None):
    """Row -> reason."""
    parts = split("b", frame, judge(frame, rules, context))
    return dict(zip(parts.rejected["row_number"], parts.rejected["reason"], strict=True))


def test_clean_rows_are_all_accepted(make_landing, rules):
    assert rejected(make_landing(), rules) == {}


BROKEN = {
    "zone_missing": {"zone": None},
    "time_missing": {"time": None},
    "time_unparseable": {"time": None, "raw_time": "31.02.2021 25:00"},
    "time_not_on_grid": {"time": "off"},
    "time_in_future": {"time": "future"},
    "load_missing": {"load_kw": None},
    "load_not_a_number": {"load_kw": None, "raw_load": "n/a"},
    "load_negative": {"load_kw": -5.0},
    "load_out_of_range": {"load_kw": 250_000.0},
    "load_zero": {"load_kw": 0.0},
    "temperature_not_a_number": {"temperature_c": None, "raw_temperature": "warm"},
    "temperature_implausible": {"temperature_c": 85.0},
    "temperature_jump": {"temperature_c": 48.0},
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_row_is_rejected_alone_and_with_its_reason(make_landing, rules, reason):
    frame = make_landing()
    values = dict(BROKEN[reason])
    if values.get("time") == "off":
        values["time"] = frame["time"][AT] + timedelta(minutes=7)
    if values.get("time") == "future":
        values["time"] = frame["time"][AT] + timedelta(days=3650)
    assert rejected(with_value(frame, AT, **values), rules) == {AT: reason}


@pytest.mark.parametrize("factor", [7.0, 0.1])
def test_a_lone_spike_is_rejected_and_its_neighbours_stay(make_landing, rules, factor):
    frame = make_landing()
    frame = with_value(frame, AT, load_kw=frame["load_kw"][AT] * factor)
    assert rejected(frame, rules) == {AT: "load_spike"}


@pytest.mark.parametrize("factor", [8.0, 0.1])
def test_a_good_row_between_two_spikes_stays(make_landing, rules, factor):
    frame = make_landing()
    for row in (AT - 1, AT + 1):
        frame = with_value(frame, row, load_kw=frame["load_kw"][row] * factor)
    assert rejected(frame, rules) == {AT - 1: "load_spike", AT + 1: "load_spike"}


@pytest.mark.parametrize("gap", [2, 3])
def test_good_temperatures_between_two_jumps_stay(make_landing, rules, gap):
    frame = make_landing()
    for row in (AT, AT + gap):
        frame = with_value(frame, row, temperature_c=50.0)
    assert rejected(frame, rules) == {AT: "temperature_jump", AT + gap: "temperature_jump"}


def test_neighbouring_defects_of_different_kinds_cost_no_good_row(make_landing, rules):
    frame = make_landing()
    frame = with_value(frame, AT, load_kw=frame["load_kw"][AT] * 7)
    frame = with_value(frame, AT + 1, load_kw=None, raw_load="?")
    frame = with_value(frame, AT - 1, load_kw=0.0)
    frame = with_value(frame, AT + 3, temperature_c=99.0)
    assert rejected(frame, rules) == {
        AT - 1: "load_zero",
        AT: "load_spike",
        AT + 1: "load_not_a_number",
        AT + 3: "temperature_implausible",
    }


def test_a_spike_in_the_last_reading_is_found_where_the_zone_never_reads_that(make_landing, rules):
    frame = make_landing(zones=1)
    last = frame.height - 1
    assert rejected(with_value(frame, last, load_kw=frame["load_kw"].max() * 9), rules) == {last: "load_spike"}


def test_a_load_that_stops_with_the_last_reading_is_not_a_spike(make_landing, rules):
    off = pl.col("row_number").is_between(300, 310)
    frame = make_landing(zones=1).with_columns(
        load_kw=pl.when(off).then(5.0 + pl.col("row_number") / 1000).otherwise("load_kw")
    )
    assert rejected(frame[:350], rules) == {}
    stopped = with_value(frame, frame.height - 1, load_kw=1.5)
    assert rejected(stopped, rules) == {}


def test_a_step_that_stays_is_not_a_spike(make_landing, rules):
    frame = make_landing(zones=1)
    step = pl.when(pl.col("row_number") >= AT).then(2.8).otherwise(1.0)
    assert rejected(frame.with_columns(load_kw=pl.col("load_kw") * step), rules) == {}


def test_even_a_step_of_eight_times_is_not_a_spike(make_landing, rules):
    frame = make_landing(zones=1)
    step = pl.when(pl.col("row_number") >= AT).then(8.0).otherwise(1.0)
    assert rejected(frame.with_columns(load_kw=pl.col("load_kw") * step), rules) == {}


def test_a_zone_that_jumps_by_nature_keeps_its_jumps(make_landing, rules):
    frame = make_landing(zones=1)
    pulses = pl.when(pl.col("row_number") % 11 == 3).then(9.0).otherwise(1.0)
    assert rejected(frame.with_columns(load_kw=pl.col("load_kw") * pulses), rules) == {}


def test_a_stuck_meter_keeps_its_first_reading_only(make_landing, rules):
    frame = make_landing(zones=1)
    stuck = frame["load_kw"][AT]
    for row in range(AT, AT + 8):
        frame = with_value(frame, row, load_kw=stuck)
    assert rejected(frame, rules) == dict.fromkeys(range(AT + 1, AT + 8), "flat_line")


def test_five_equal_hours_are_not_yet_a_stuck_meter(make_landing, rules):
    frame = make_landing(zones=1)
    for row in range(AT, AT + 5):
        frame = with_value(frame, row, load_kw=frame["load_kw"][AT])
    assert rejected(frame, rules) == {}


def test_coarse_readings_are_not_a_stuck_meter(make_landing, rules):
    frame = make_landing(zones=1).with_columns(load_kw=(pl.col("load_kw") / 60).round() * 60)
    assert rejected(frame, rules) == {}


def test_a_zone_that_is_often_off_keeps_its_zeros(make_landing, rules):
    night = pl.when(pl.col("row_number") % 24 < 6).then(0.0).otherwise(1.0)
    frame = make_landing(zones=1)
    assert rejected(frame.with_columns(load_kw=pl.col("load_kw") * night), rules) == {}


def test_a_run_of_zeros_is_rejected_whole(make_landing, rules):
    frame = make_landing(zones=1)
    for row in range(AT, AT + 10):
        frame = with_value(frame, row, load_kw=0.0)
    assert rejected(frame, rules) == dict.fromkeys(range(AT, AT + 10), "load_zero")


def test_one_percent_in_watts_is_found(make_landing, rules):
    frame = make_landing(zones=1, hours=2000)
    wrong = list(range(5, 2000, 100))
    watts = pl.when(pl.col("row_number").is_in(wrong)).then(1000.0).otherwise(1.0)
    assert rejected(frame.with_columns(load_kw=pl.col("load_kw") * watts), rules) == dict.fromkeys(
        wrong, "load_out_of_range"
    )


def test_negative_load_is_accepted_where_feeders_feed_back(make_landing, rules):
    rules = dataclasses.replace(rules, limits=Limits(allow_negative_load=True))
    frame = make_landing(zones=1).with_columns(load_kw=pl.col("load_kw") - 220)
    assert frame["load_kw"].min() < 0
    assert rejected(frame, rules) == {}


def test_a_missing_temperature_is_no_error(make_landing, rules):
    frame = make_landing().with_columns(temperature_c=pl.lit(None, pl.Float64))
    assert rejected(frame, rules) == {}


def test_half_hour_zones_are_on_the_grid(make_landing, rules):
    rules = dataclasses.replace(rules, grid_phases_us=(0, 1_800_000_000))
    frame = make_landing(zones=1).with_columns(time=pl.col("time") + pl.duration(minutes=30))
    assert rejected(frame, rules) == {}


def extra(frame, row, **values):
    """Append a copy of a row with other values."""
    copy = with_value(frame[row], 0, row_number=frame.height, **values)
    return pl.concat([frame, copy])


def test_the_second_of_two_equal_rows_is_the_duplicate(make_landing, rules):
    frame = make_landing()
    assert rejected(extra(frame, AT), rules) == {frame.height: "duplicate"}


def test_another_value_known_at_the_same_moment_is_a_conflict(make_landing, rules):
    frame = make_landing()
    changed = extra(frame, AT, load_kw=frame["load_kw"][AT] * 1.1)
    assert rejected(changed, rules) == {frame.height: "duplicate_conflict"}


def test_a_correction_known_later_supersedes_the_first_value(make_landing, rules):
    frame = make_landing()
    later = frame["available_at"][AT] + timedelta(days=1)
    corrected = extra(frame, AT, load_kw=frame["load_kw"][AT] * 1.1, available_at=later)
    assert rejected(corrected, rules) == {AT: "superseded"}


def test_a_broken_copy_never_pushes_out_the_good_row(make_landing, rules):
    frame = make_landing()
    broken = with_value(extra(frame, AT), AT, load_kw=None, raw_load="#REF!")
    assert rejected(broken, rules) == {AT: "load_not_a_number"}


def test_a_row_names_its_first_reason_and_all_of_them(make_landing, rules):
    frame = with_value(make_landing(), AT, load_kw=-1.0, temperature_c=200.0)
    parts = split("b", frame, judge(frame, rules))
    row = parts.rejected.row(0, named=True)
    assert row["reason"] == "load_negative"
    assert row["all_reasons"] == "load_negative,temperature_implausible"
    assert row["evidence"] == (
        '{"load_negative":{"value":-1.0,"limit":0.0},"temperature_implausible":{"value":200.0,"limit":"-60 to 60"}}'
    )


def test_the_order_of_the_rows_does_not_matter(make_landing, rules):
    frame = make_landing()
    frame = with_value(frame, AT, load_kw=frame["load_kw"][AT] * 7)
    frame = with_value(frame, AT + 50, load_kw=0.0)
    expected = {AT: "load_spike", AT + 50: "load_zero"}
    for other in (
        frame.sort("time", "zone"),
        frame.sample(fraction=1.0, shuffle=True, seed=3),
        frame.reverse(),
    ):
        assert rejected(other, rules) == expected


def test_history_tells_a_one_day_batch_what_is_normal(make_landing, rules):
    frame = make_landing(zones=1)
    context, day = frame[: 27 * 24], frame[27 * 24 :]
    first = day["row_number"][0]
    watts = day.with_columns(load_kw=pl.col("load_kw") * 1000)
    assert rejected(watts, rules, context) == dict.fromkeys(range(first, first + 24), "load_out_of_range")
    zero = with_value(day, 3, load_kw=0.0)
    assert rejected(zero, rules, context) == {first + 3: "load_zero"}
    assert rejected(day, rules, context) == {}


def test_a_meter_stuck_since_yesterday_is_found_across_the_batches(make_landing, rules):
    frame = make_landing(zones=1)
    first = 27 * 24
    for row in range(first - 4, first + 4):
        frame = with_value(frame, row, load_kw=frame["load_kw"][first - 4])
    context, day = frame[:first], frame[first:]
    assert rejected(day, rules, context) == dict.fromkeys(range(first, first + 4), "flat_line")


def test_context_rows_are_never_counted(make_landing, rules):
    frame = make_landing(zones=2)
    context = with_value(frame[:600], 300, load_kw=0.0)
    judgement = judge(frame[600:], rules, context)
    assert len(judgement.mask) == frame.height - 600
    assert np.all(judgement.accepted)
