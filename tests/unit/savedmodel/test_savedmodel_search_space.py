"""Whatever TPOT may draw from our search space can be exported exactly."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smartgrid.automl.scaled_pipeline import FittedScaledPipeline
from smartgrid.savedmodel import export, why_not_exportable


def _drawn(names: list[str], count: int, seed: int) -> list[Any]:
    from smartgrid.automl.tpot_search_space import search_space
    from smartgrid.automl.tpot_trainer import with_imputer

    generator = np.random.default_rng(seed)
    space = search_space(names, seed, threads=1)
    individuals = [space.generate(generator) for _ in range(count)]
    for individual in individuals:
        individual.mutate(generator)
    return [with_imputer(individual.export_pipeline()) for individual in individuals]


def test_every_pipeline_of_the_search_space_is_exportable(table: Any) -> None:
    names = [table.schema.names[index] for index in table.columns]
    reasons = {why_not_exportable(pipeline) for pipeline in _drawn(names, 300, seed=3)}
    assert reasons == {None}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_two_hundred_random_pipelines_are_exported_exactly(table: Any, tmp_path: Path) -> None:
    names = [table.schema.names[index] for index in table.columns]
    exported, largest = 0, 0.0
    for number, pipeline in enumerate(_drawn(names, 200, seed=11)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                pipeline.fit(table.inputs, table.ratio)
            except ValueError:  # a selector that keeps no column: TPOT counts such a trial as invalid
                continue
        model = FittedScaledPipeline(pipeline, table.schema, table.columns)
        report = export(model, tmp_path / str(number), table.held_out, count=2_000)
        exported, largest = exported + 1, max(largest, report.max_relative_difference)
    print(f"{exported} of 200 drawn pipelines fitted and exported; largest relative difference {largest:.2g}")
    assert exported >= 150
