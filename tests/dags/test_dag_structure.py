"""How the pipelines hang together."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from airflow.sdk.exceptions import ParamValidationError

from smartgrid.settings import TRAINING_POOL


def outlets(dag: Any) -> dict[str, list[str]]:
    return {task.task_id: [asset.name for asset in task.outlets] for task in dag.tasks if task.outlets}


@pytest.mark.parametrize(
    ("dag_id", "edges", "makes"),
    [
        ("ingest_measurements", {"plan": {"ingest"}, "ingest": set()}, {"ingest": ["measurements"]}),
        ("validate_measurements", {"validate": set()}, {"validate": ["validated_measurements"]}),
        (
            "retrain_load_forecast",
            {
                "snapshot": {"entries"},
                "entries": {"train"},
                "train": {"judge"},
                "judge": {"register"},
                "register": set(),
            },
            {"register": ["candidate_model"]},
        ),
        ("promote_load_forecast", {"publish": set()}, {"publish": ["serving_model"]}),
        ("forecast_load", {"forecast": set()}, {"forecast": ["load_forecast"]}),
        ("refresh_power_bi", {"datasets": {"refresh"}, "refresh": set()}, {"refresh": ["power_bi_dataset"]}),
        (
            "mine_load_patterns",
            {
                "prepare": {"cluster", "outliers"},
                "cluster": {"conclude"},
                "outliers": {"conclude"},
                "conclude": set(),
            },
            {"conclude": ["load_patterns"]},
        ),
        (
            "mine_event_rules",
            {"prepare": {"rules"}, "rules": {"conclude"}, "conclude": set()},
            {"conclude": ["event_rules"]},
        ),
        ("mine_on_request", {"answer": set()}, {}),
        (
            "deliver_notifications",
            {"due": {"deliveries"}, "deliveries": {"deliver"}, "deliver": {"forget"}, "forget": set()},
            {},
        ),
    ],
)
def test_tasks_follow_each_other(
    dagbag: Any, dag_id: str, edges: dict[str, set[str]], makes: dict[str, list[str]]
) -> None:
    dag = dagbag.dags[dag_id]
    assert {task.task_id: set(task.downstream_task_ids) for task in dag.tasks} == edges
    assert outlets(dag) == makes


@pytest.mark.parametrize(
    ("dag_id", "starts_on"),
    [
        ("validate_measurements", {"measurements"}),
        ("promote_load_forecast", {"candidate_model"}),
        ("forecast_load", {"validated_measurements", "serving_model"}),
    ],
)
def test_assets_start_the_next_pipeline(dagbag: Any, dag_id: str, starts_on: set[str]) -> None:
    condition = dagbag.dags[dag_id].timetable.asset_condition
    assert type(condition).__name__ == "AssetAny" or len(condition.objects) == 1
    assert {asset.name for asset in condition.objects} == starts_on


def test_steps_of_the_dags_exist(dagbag: Any) -> None:
    from smartgrid.steps import STEPS

    named = set()
    for dag in dagbag.dags.values():
        for task in dag.tasks:
            kwargs = getattr(task, "partial_kwargs", None) or vars(task)
            if "step_name" in kwargs:
                named.add(kwargs["step_name"])
    assert named == set(STEPS)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("preset", "enormous"),
        ("preset", None),
        ("trainers", ["no_such_trainer"]),
        ("trainers", []),
        ("budget_s", 9),
        ("budget_s", 3601),
        ("temperature", "guess"),
        ("history_days", 1.5),
    ],
)
def test_form_of_retraining_refuses_bad_values(dagbag: Any, name: str, bad: object) -> None:
    with pytest.raises(ParamValidationError):
        dagbag.dags["retrain_load_forecast"].params.get_param(name).resolve(bad)


def test_form_offers_every_preset(dagbag: Any) -> None:
    param = dagbag.dags["retrain_load_forecast"].params.get_param("preset")
    assert param.schema["enum"] == ["smoke", "standard", "thorough"]
    assert param.value == "standard"


def test_only_one_trainer_searches_at_a_time(dagbag: Any) -> None:
    """The pool has one slot, whichever run its tasks belong to; no other task waits for it."""
    train = dagbag.dags["retrain_load_forecast"].get_task("train")
    assert train.partial_kwargs["pool"] == TRAINING_POOL
    others = {task.pool for dag in dagbag.dags.values() for task in dag.tasks if task.task_id != "train"}
    assert TRAINING_POOL not in others


def test_new_installation_does_not_train_at_once(dagbag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even on a Sunday: the first run is the next 03:00 UTC of a Sunday in the future."""
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    dag = DagSerialization.from_dict(DagSerialization.to_dict(dagbag.dags["retrain_load_forecast"]))
    assert dag.start_date is None
    restriction = TimeRestriction(earliest=None, latest=None, catchup=False)
    for now in ("2026-11-22T03:30:00+00:00", "2026-11-22T02:30:00+00:00", "2026-11-25T12:00:00+00:00"):
        moment = datetime.fromisoformat(now)
        monkeypatch.setattr("airflow.timetables.trigger.utcnow", lambda moment=moment: moment)
        first = dag.timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
        assert first.run_after > moment
        assert (first.run_after.weekday(), first.run_after.hour) == (6, 3)
