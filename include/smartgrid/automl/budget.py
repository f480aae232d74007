"""A total of seconds, split over the trainers of a run.

A trainer that does not search takes next to nothing; what it leaves goes to the others. The split is made anew before
each trainer, from what those before it really took: one that stops early, or cannot even start, leaves its rest too.
"""

from __future__ import annotations

from smartgrid.automl.presets import Preset, preset
from smartgrid.automl.run_folder import candidate_folder, load_json
from smartgrid.automl.trainer import Budget
from smartgrid.settings import Training

# Share of a trainer relative to the others. The ridge chooses its penalties in one pass and ends when it is done.
WEIGHTS = {"per_hour_ridge": 0.1}


def split(total_s: float, trainers: list[str]) -> dict[str, float]:
    """Seconds of each trainer.

    >>> split(310, ["per_hour_ridge", "tpot", "autokeras", "h2o"])
    {'per_hour_ridge': 10.0, 'tpot': 100.0, 'autokeras': 100.0, 'h2o': 100.0}
    """
    names = list(dict.fromkeys(trainers))
    whole = sum(WEIGHTS.get(name, 1.0) for name in names)
    return {name: round(total_s * WEIGHTS.get(name, 1.0) / whole, 1) for name in names}


def seconds_for(run_id: str, trainer: str, trainers: list[str], total_s: float) -> float:
    """What is left of `total_s` for `trainer`: its share of what the trainers of the run that are done did not take."""
    spent, waiting = 0.0, []
    for name in dict.fromkeys([*trainers, trainer]):
        path = candidate_folder(run_id, name) / "candidate.json"
        if name != trainer and path.is_file():
            # A search counts until it is stopped; starting its process is not the fault of the trainer after it.
            outcome = load_json(path)
            spent += min(float(outcome.get("search_s") or outcome["wall_s"]), float(outcome["budget_s"]))
        else:
            waiting.append(name)
    return split(max(0.0, total_s - spent), waiting)[trainer]


def training_budget(
    training: Training,
    run_id: str,
    trainer: str,
    *,
    budget_s: float | None = None,
    preset_name: str | None = None,
    total_budget_s: float | None = None,
    trainers: list[str] | None = None,
) -> Budget:
    """The limits of one trainer of a run. What is given wins over the settings.

    Args:
        budget_s: seconds of this trainer; nothing is split then.
        preset_name: smoke, standard or thorough.
        total_budget_s: seconds of all `trainers` together, in place of the preset's.
        trainers: who takes part; default: the settings' trainers.

    Raises:
        UnknownPreset
    """
    chosen: Preset | None = None
    if name := preset_name or training.preset:
        chosen = preset(name)
    total_s = total_budget_s
    if total_s is None and preset_name is None:
        total_s = training.total_budget_s
    if total_s is None and chosen is not None:
        total_s = chosen.total_s
    if budget_s is not None:
        wall_s = float(budget_s)
    elif total_s is not None:
        wall_s = seconds_for(run_id, trainer, trainers or training.trainers, total_s)
    else:
        wall_s = float(training.budget_s)
    return Budget(
        wall_s=wall_s,
        threads=training.threads,
        memory_mb=training.memory_limit_mb,
        seed=training.seed,
        search_rows=chosen.search_rows if chosen else None,
        patience=chosen.patience if chosen else None,
    )
