"""A trainer that cannot work says so before it takes time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from h2o_rows import load_frame

from smartgrid.automl.trainer import (
    Budget,
    BudgetTooSmall,
    ConstantLoad,
    NotEnoughHistory,
    SearchSummary,
    summary_of,
    trainer,
)

SEARCHING = ["tpot", "autokeras"]


@pytest.mark.parametrize("name", SEARCHING)
def test_a_budget_of_a_second_is_refused(name: str) -> None:
    with pytest.raises(BudgetTooSmall) as caught:
        trainer(name).search(load_frame(), Budget(wall_s=1), print)
    assert (caught.value.trainer, caught.value.have_s) == (name, 1)


@pytest.mark.parametrize("name", SEARCHING)
def test_a_load_that_never_changes_is_refused(name: str) -> None:
    frame = load_frame()
    with pytest.raises(ConstantLoad):
        trainer(name).search(replace(frame, y_kw=0.7 * frame.column("level_kw")), Budget(wall_s=30), print)


@pytest.mark.parametrize("name", SEARCHING)
def test_a_few_days_are_refused(name: str) -> None:
    frame = load_frame()
    with pytest.raises(NotEnoughHistory):
        trainer(name).search(frame.where(np.arange(len(frame)) < 240), Budget(wall_s=30), print)


def test_a_recipe_is_described_by_its_summary_else_by_its_description_else_by_its_type() -> None:
    class Plain:
        pass

    class Told:
        description = "two trees"

    class Summed:
        summary = SearchSummary(4, "three trees", 0.1)

    told = [summary_of(recipe).best for recipe in (Plain(), Told(), Summed())]  # type: ignore[arg-type]
    assert told == ["Plain", "two trees", "three trees"]
