"""A total of seconds is divided so that nothing is lost and nobody gets more than there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_settings import Configure

from smartgrid.automl.budget import seconds_for, split, training_budget
from smartgrid.automl.presets import PRESETS, UnknownPreset, preset
from smartgrid.automl.run_folder import candidate_folder, save_json
from smartgrid.errors import ConfigurationError
from smartgrid.settings import TRAINERS

NAMES = list(TRAINERS)


@given(st.floats(1, 100_000), st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
def test_shares_add_up_to_the_total_and_searchers_get_equal_ones(total_s: float, names: list[str]) -> None:
    shares = split(total_s, names)
    assert sum(shares.values()) == pytest.approx(total_s, abs=0.1 * len(names))
    assert len({share for name, share in shares.items() if name != "per_hour_ridge"}) <= 1


def test_a_trainer_that_does_not_search_takes_little() -> None:
    assert split(310, NAMES)["per_hour_ridge"] == 10


def done(run_id: str, name: str, **outcome: Any) -> None:
    save_json(candidate_folder(run_id, name) / "candidate.json", {"trainer": name, **outcome})


def test_what_a_trainer_did_not_take_goes_to_those_after_it(configure: Configure) -> None:
    configure()
    names = ["per_hour_ridge", "tpot", "autokeras"]
    assert seconds_for("run", "tpot", names, 210) == 100
    done("run", "per_hour_ridge", search_s=2.0, wall_s=30.0, budget_s=10.0)
    assert seconds_for("run", "tpot", names, 210) == 104
    done("run", "tpot", search_s=8.0, wall_s=90.0, budget_s=104.0)  # it stopped early
    assert seconds_for("run", "autokeras", names, 210) == 200


def test_starting_a_process_is_not_taken_from_the_next_and_a_retry_gets_its_share_again(configure: Configure) -> None:
    configure()
    names = ["tpot", "autokeras"]
    done("run", "tpot", search_s=65.0, wall_s=200.0, budget_s=50.0)
    assert seconds_for("run", "autokeras", names, 100) == 50
    done("run", "autokeras", search_s=50.0, wall_s=60.0, budget_s=50.0, failed="TrainerCrashed")
    assert seconds_for("run", "autokeras", names, 100) == 50


def test_what_is_given_wins_over_the_settings_and_a_total_over_the_preset(configure: Configure) -> None:
    training = configure(
        training={"preset": "smoke", "budget_s": 33, "trainers": ["tpot"], "threads": 3, "memory_limit_mb": 900}
    ).training
    budget = training_budget(training, "run", "tpot")
    assert (budget.wall_s, budget.search_rows) == (PRESETS["smoke"].total_s, PRESETS["smoke"].search_rows)
    assert (budget.threads, budget.memory_mb) == (3, 900)
    assert training_budget(training, "run", "tpot", budget_s=5).wall_s == 5
    assert training_budget(training, "run", "tpot", preset_name="thorough").wall_s == PRESETS["thorough"].total_s
    assert training_budget(training, "run", "tpot", preset_name="thorough", total_budget_s=90).wall_s == 90
    total = configure(training={"preset": "smoke", "total_budget_s": 40, "trainers": ["tpot"]}).training
    assert training_budget(total, "run", "tpot").wall_s == 40


def test_without_preset_and_total_each_trainer_has_its_own_seconds(configure: Configure) -> None:
    training = configure(training={"budget_s": 33}).training
    assert {training_budget(training, "run", name).wall_s for name in NAMES} == {33}


def test_presets_grow_and_an_unknown_one_is_named(tmp_path: Path, configure: Configure) -> None:
    assert PRESETS["smoke"].total_s < PRESETS["standard"].total_s < PRESETS["thorough"].total_s
    with pytest.raises(UnknownPreset, match="smoke, standard, thorough"):
        preset("fast")
    with pytest.raises(ConfigurationError, match="PRESET"):
        configure(training={"preset": "fast"})
