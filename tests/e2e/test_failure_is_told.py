"""A pipeline fails in the running platform, and within seconds a receiver in another language has one signed message
with a link to the run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest
import requests
from local_server import LocalServer
from node_tools import NODE_FOLDER, node_modules, node_server
from running_platform import RunningPlatform, eventually
from serving_process import free_port

SECRET = "whsec_" + "c21hcnQtZ3JpZC1lMmUtc2VjcmV0LTMyLWJ5dGVzISE="
WITHIN_S = 10.0
# No data are needed to fail: a source that is not downloaded, and nothing that starts by itself.
QUIET = {
    "SMARTGRID_SOURCE__KIND": "csv",
    "SMARTGRID_DELIVER_SCHEDULE": "",
    "SMARTGRID_CHANNELS__EGRESS__ALLOW": "127.0.0.0/8",
    # Servers that somebody else runs, and that nothing here asks: two processes less.
    "SMARTGRID_MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    "SMARTGRID_SERVING_REST_URL": "http://127.0.0.1:9",
}

RUNNING: list[RunningPlatform] = []

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """Verifies every message with the Standard Webhooks library for JavaScript."""
    node_modules()
    port, log = free_port(), tmp_path_factory.mktemp("receiver") / "node.log"
    script = NODE_FOLDER / "webhook-receiver.cjs"
    with node_server(script, log, port=port, PORT=str(port), RECEIVER_SECRET=SECRET) as server:
        yield server


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, receiver: LocalServer) -> Iterator[RunningPlatform]:
    """Everything runs, and the receiver is registered."""
    running = RunningPlatform(tmp_path_factory.mktemp("platform"))
    RUNNING.append(running)
    source = running.home / "source"
    source.mkdir(parents=True)
    running.environment |= QUIET | {"SMARTGRID_SOURCE__PATH": str(source)}
    try:
        result = running.call("up", timeout_s=600)
        if result.returncode != 0:
            # A machine that is busy with other tests: what runs by now is waited for once more.
            result = running.call("up", timeout_s=600)
        assert result.returncode == 0, result.stdout[-6000:]
        endpoint = {"name": "control-room", "url": f"{receiver.url}/hook", "secret": SECRET}
        answer = requests.post(
            f"{notifications(running)}/endpoints", json=endpoint, headers=bearer(running), timeout=120
        )
        assert answer.status_code == 201, answer.text
        yield running
    finally:
        running.stop()


def notifications(platform: RunningPlatform) -> str:
    return f"http://127.0.0.1:{platform.ports['NOTIFICATIONS_PORT']}/api/v1/notifications"


@cache
def token(home: Path) -> str:
    """One for all requests: the platform lives as long as the module."""
    return next(platform.token() for platform in RUNNING if platform.home == home)


def bearer(platform: RunningPlatform) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(platform.home)}"}


def ask(platform: RunningPlatform, path: str) -> Any:
    """Airflow's answer; its first requests are slow, for it makes its own API ready with them."""
    answer = requests.get(f"{platform.airflow}/api/v2/{path}", headers=bearer(platform), timeout=120)
    answer.raise_for_status()
    return answer.json()


def trigger(platform: RunningPlatform, dag_id: str, conf: dict[str, Any]) -> str:
    url = f"{platform.airflow}/api/v2/dags/{dag_id}/dagRuns"
    answer = requests.post(url, json={"logical_date": None, "conf": conf}, headers=bearer(platform), timeout=120)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["dag_run_id"])


def received(receiver: LocalServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(f"{receiver.url}/received", timeout=10).json()
    return found


@pytest.fixture(scope="module")
def failed(platform: RunningPlatform, receiver: LocalServer) -> tuple[str, dict[str, Any], float]:
    """The id of a run that failed, the message about it, and how many seconds after the failure it was signed."""
    eventually(lambda: known(platform, "validate_measurements"), 180, "the DAG is known")
    # There is no such batch, and no retry will make one.
    run_id = trigger(platform, "validate_measurements", {"batch_id": "made-to-fail"})
    ended = eventually(lambda: ended_at(platform, "validate_measurements", run_id), 300, "the task fails")
    [message] = eventually(lambda: received(receiver), WITHIN_S + 5, "the message comes")
    return run_id, message, float(message["timestamp"]) - ended


def known(platform: RunningPlatform, dag_id: str) -> bool:
    answer = requests.get(f"{platform.airflow}/api/v2/dags/{dag_id}", headers=bearer(platform), timeout=120)
    return answer.status_code == 200


def ended_at(platform: RunningPlatform, dag_id: str, run_id: str) -> float | None:
    """When the first task of the run failed, as seconds since 1970."""
    found = ask(platform, f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
    failures = [instance for instance in found if instance["state"] == "failed"]
    return datetime.fromisoformat(failures[0]["end_date"]).timestamp() if failures else None


def test_a_failure_is_told_within_ten_seconds(failed: tuple[str, dict[str, Any], float]) -> None:
    run_id, message, after_s = failed
    # The signature's time has whole seconds.
    assert -1 <= after_s <= WITHIN_S, after_s
    payload = message["payload"]
    assert "validate_measurements.validate failed" in str(payload)
    assert run_id in str(payload)


def test_the_link_of_the_message_opens_the_run(
    platform: RunningPlatform, failed: tuple[str, dict[str, Any], float]
) -> None:
    run_id, message, _ = failed
    [link] = {word for word in words(message["payload"]) if word.startswith(f"{platform.airflow}/dags/")}
    assert requests.get(link, timeout=120).status_code == 200
    _, _, dag_id, _, quoted_run, _, task_id = urlparse(link).path.split("/")
    assert unquote(quoted_run) == run_id
    instance = ask(platform, f"dags/{dag_id}/dagRuns/{quoted_run}/taskInstances/{task_id}")
    assert instance["state"] == "failed"
    assert shown_in_browser(platform, link, ["validate_measurements", "validate", "Failed"])


def test_one_failure_is_one_message_also_when_the_run_ends(
    platform: RunningPlatform, receiver: LocalServer, failed: tuple[str, dict[str, Any], float]
) -> None:
    run_id, message, _ = failed
    path = f"dags/validate_measurements/dagRuns/{run_id}"
    eventually(lambda: ask(platform, path)["state"] == "failed", 60, "the run ends")
    time.sleep(5)
    assert [one["id"] for one in received(receiver)] == [message["id"]]
    listed = requests.get(f"{notifications(platform)}/events", headers=bearer(platform), timeout=120).json()["events"]
    assert [(event["kind"], [made["outcome"] for made in event["decisions"]]) for event in listed] == [
        ("task_failed", ["told"])
    ]


def test_a_forged_message_is_refused(receiver: LocalServer, failed: tuple[str, dict[str, Any], float]) -> None:
    _, message, _ = failed
    headers = {
        "webhook-id": message["id"],
        "webhook-timestamp": str(int(time.time())),
        "webhook-signature": message["signature"],
    }
    assert (
        requests.post(f"{receiver.url}/hook", json=message["payload"], headers=headers, timeout=10).status_code == 401
    )


def test_the_page_inside_airflow_shows_the_delivery(
    platform: RunningPlatform, failed: tuple[str, dict[str, Any], float]
) -> None:
    page = f"{platform.airflow}/smartgrid/notifications"
    assert requests.get(page, timeout=120).status_code == 401
    assert shown_in_browser(platform, page, ["validate_measurements.validate failed", "delivered", "operations: told"])


def words(payload: Any) -> list[str]:
    return str(payload).replace("\\n", " ").replace("'", " ").replace('"', " ").replace(",", " ").split()


def shown_in_browser(platform: RunningPlatform, url: str, texts: list[str]) -> bool:
    """Whether a person who is logged in sees these texts there; without Chromium the question is left out."""
    if shutil.which("chromium") is None:
        return True
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        context = browser.new_context()
        context.add_cookies([{"name": "_token", "value": token(platform.home), "url": platform.airflow}])
        page = context.new_page()
        page.goto(url)
        for text in texts:
            expect(page.get_by_text(text).first).to_be_visible(timeout=60_000)
        page.screenshot(path=platform.home / f"{urlparse(url).path.rpartition('/')[2]}.png", full_page=True)
        browser.close()
    return True
