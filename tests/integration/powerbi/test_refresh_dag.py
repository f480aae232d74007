"""`refresh_power_bi` as Airflow runs it, against the fake service."""

from __future__ import annotations

from typing import Any

import airflow_sandbox
import pytest
from powerbi_fake import DATASET, Ending
from powerbi_world import World

EXCEPTION = {
    "errorCode": "ModelRefreshFailed_CredentialsNotSpecified",
    "message": "credentials of the gateway are gone",
}


@pytest.fixture(scope="module")
def dag() -> Any:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    airflow_sandbox.migrate_database()
    bag = DagBag(str(airflow_sandbox.ROOT / "dags/refresh_power_bi.py"))
    assert bag.import_errors == {}
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(bag, "dags-folder", None)
    return bag.dags["refresh_power_bi"]


def states(run: Any) -> dict[str, str]:
    from airflow.utils.session import create_session

    with create_session() as session:
        return {f"{ti.task_id}": str(ti.state) for ti in run.get_task_instances(session=session)}


def made(run: Any) -> list[dict[str, Any]]:
    """Extras of the asset events of a run."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = select(AssetEvent.extra).where(
        AssetEvent.source_run_id == run.run_id, AssetEvent.source_dag_id == run.dag_id
    )
    with create_session() as session:
        return [dict(extra) for extra in session.scalars(query)]


def test_run_refreshes_once_and_makes_the_asset(dag: Any, world: World) -> None:
    world.set(datasets="Grid")
    run = dag.test()
    assert (run.state, states(run)) == ("success", {"datasets": "success", "refresh": "success"})
    (refresh,) = world.service.started
    (extra,) = made(run)
    assert (extra["dataset_id"], extra["service_id"]) == (DATASET, refresh.refresh_id)


def test_run_shows_the_link_to_the_dataset(dag: Any, world: World) -> None:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    world.set(datasets=DATASET)
    run = dag.test()
    with create_session() as session:
        query = XComModel.get_many(run_id=run.run_id, key="powerbi_dataset_url", task_ids="refresh")
        values = [XComModel.deserialize_value(row) for row in session.scalars(query)]
    assert values
    assert all(value.endswith(f"/datasets/{DATASET}/details") for value in values)


def test_failed_refresh_fails_the_task_and_is_not_tried_again(
    dag: Any, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.set(datasets=DATASET)
    world.service.ends(Ending("Failed", exception=EXCEPTION))
    run = dag.test()
    assert (run.state, states(run)["refresh"]) == ("failed", "failed")
    assert len(world.service.started) == 1
    assert made(run) == []


def test_without_credentials_the_run_is_skipped_with_what_to_set(
    dag: Any, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.set(client_secret=None, workspace_id=None)
    run = dag.test()
    assert (run.state, set(states(run).values())) == ("success", {"skipped"})
    assert made(run) == []
    assert world.service.calls == []


def test_without_datasets_the_run_is_skipped(dag: Any, world: World) -> None:
    run = dag.test()
    assert set(states(run).values()) == {"skipped"}


def test_reason_of_a_skip_names_every_missing_setting(world: World) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from smartgrid.orchestration.powerbi_plan import datasets_to_refresh

    world.set(client_secret=None, workspace_id=None)
    with pytest.raises(AirflowSkipException) as caught:
        datasets_to_refresh()
    for name in ("POWERBI_CLIENT_SECRET", "POWERBI_WORKSPACE_ID", "POWERBI_DATASETS"):
        assert name in str(caught.value)


def test_spent_budget_skips_the_refresh(dag: Any, world: World) -> None:
    world.set(datasets=DATASET, daily_budget=0)
    run = dag.test()
    assert (run.state, states(run)["refresh"]) == ("success", "skipped")
    assert world.service.started == []


def test_connection_wins_over_settings(dag: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    right = world.environment
    world.set(client_id="someone-else", client_secret="wrong", datasets="Nothing")
    connection = {
        "conn_type": "smartgrid_powerbi", "login": right["POWERBI_CLIENT_ID"],
        "password": right["POWERBI_CLIENT_SECRET"], "extra": {"datasets": f"{DATASET}", "cloud": ""},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_POWERBI_DEFAULT", json.dumps(connection))
    assert states(dag.test()) == {"datasets": "success", "refresh": "success"}
    assert len(world.service.started) == 1
