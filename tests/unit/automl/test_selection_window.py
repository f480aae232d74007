"""How much history the choice of the winner may take from training."""

from __future__ import annotations

from smartgrid.automl.snapshot import affordable_selection_days


def test_the_selection_window_shrinks_with_the_history_and_vanishes_below_six_weeks() -> None:
    assert [affordable_selection_days(28, days) for days in (1100, 80, 46, 42, 41, 3)] == [28, 20, 11, 7, 0, 0]
    assert affordable_selection_days(0, 1100) == 0
