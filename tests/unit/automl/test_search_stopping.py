"""A search ends early when it cannot win, and says why."""

from __future__ import annotations

from smartgrid.automl.stopping import EarlyStopping


def test_trials_without_improvement_end_a_search() -> None:
    rule = EarlyStopping(patience=3)
    for error in (0.5, 0.4, 0.41, None):
        rule.note(error)
        assert rule.reason(0.1) is None
    rule.note(0.3999)  # better by luck, not by enough
    assert rule.reason(0.1) == "no improvement in 3 trials"


def test_a_search_far_behind_the_linear_bar_ends_once_half_of_its_time_is_gone() -> None:
    rule = EarlyStopping(patience=100, bar=0.02)
    rule.note(0.031)
    assert rule.reason(0.49) is None
    assert "hopelessly behind the linear bar of 0.0200" in (rule.reason(0.5) or "")
    rule.note(0.029)
    assert rule.reason(0.9) is None


def test_a_search_without_any_score_goes_on() -> None:
    rule = EarlyStopping(patience=1, bar=0.02)
    rule.note(None)
    rule.note(None)
    assert rule.reason(0.99) is None
