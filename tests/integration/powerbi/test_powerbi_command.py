"""`smartgrid powerbi ...` as a user or a cron job runs it: its own process, its own exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from powerbi_fake import DATASET, Ending
from powerbi_world import World

ROOT = Path(__file__).resolve().parents[3]
EXCEPTION = {
    "errorCode": "ModelRefreshFailed_CredentialsNotSpecified",
    "message": "credentials of the gateway are gone",
}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "smartgrid", "powerbi", *arguments]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60
    )


def test_completed_refresh_ends_with_0(world: World) -> None:
    done = run("refresh", "--dataset", "Grid", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["service_id"] == world.service.started[0].refresh_id


def test_failed_refresh_ends_with_3_and_the_words_of_the_service(world: World) -> None:
    world.service.ends(Ending("Failed", exception=EXCEPTION))
    done = run("refresh", "--dataset", DATASET, "--wait")
    assert done.returncode == 3
    assert "credentials of the gateway are gone" in done.stderr


def test_service_that_stays_away_ends_with_1(world: World) -> None:
    world.service.go_down(60)
    assert run("refresh", "--dataset", DATASET, "--wait", POWERBI_OUTAGE_S="0.5").returncode == 1


@pytest.mark.slow
def test_missing_and_wrong_settings_end_with_2(world: World) -> None:
    missing = run("refresh", "--dataset", DATASET, "--wait", POWERBI_CLIENT_SECRET="")
    assert missing.returncode == 2
    assert "POWERBI_CLIENT_SECRET" in missing.stderr
    assert run("refresh", "--dataset", DATASET, "--type", "sideways").returncode == 2
    plain = run("token-check", POWERBI_API_BASE="http://api.example.org")
    assert plain.returncode == 2
    assert "in the clear" in plain.stderr


def test_without_wait_it_ends_when_the_refresh_has_started(world: World) -> None:
    world.service.ends(Ending(after_s=60))
    done = run("refresh", "--dataset", DATASET)
    assert (done.returncode, done.stdout.strip()) == (0, "started")
    cancelled = run("cancel", "--dataset", DATASET)
    assert world.service.started[0].refresh_id in cancelled.stdout
    assert world.service.started[0].cancelled_at is not None


def test_killed_command_costs_no_second_refresh(world: World) -> None:
    """Killed while it waits, then repeated under the same name."""
    world.service.ends(Ending("Failed", after_s=4, exception=EXCEPTION))
    arguments = command("refresh", "--dataset", DATASET, "--wait", "--key", "nightly")
    killed = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not world.service.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = run("refresh", "--dataset", DATASET, "--wait", "--key", "nightly")
    assert done.returncode == 3
    assert len(world.service.started) == 1


@pytest.mark.parametrize("budget", [1])
def test_commands_at_once_on_a_new_store_keep_the_budget(world: World, budget: int) -> None:
    """None of them finds tables; all of them finish."""
    (world.home / "store.db").unlink()
    environment = os.environ | {"POWERBI_DAILY_BUDGET": str(budget)}
    processes = [
        subprocess.Popen(
            command("refresh", "--dataset", DATASET, "--wait"),
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    told = [process.communicate(timeout=90)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert set(codes) <= {0, 3}, told
    assert 0 in codes
    assert len(world.service.started) == budget


@pytest.mark.slow
def test_lists_and_token_check_show_the_workspace_and_no_token(world: World) -> None:
    assert "Grid" in run("workspaces").stdout
    assert "Load by region" in run("reports").stdout
    assert [row["name"] for row in json.loads(run("datasets", "--json").stdout)] == ["Grid", "Secured"]
    checked = run("token-check")
    assert checked.returncode == 0
    assert "dedicated capacity" in checked.stdout
    assert not any(token in checked.stdout + checked.stderr for token in world.service.tokens_seen)


def test_function_that_users_know_gives_a_token(world: World) -> None:
    code = "from smartgrid.powerbi import get_powerbi_access_token as t; print(t())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert world.entra.verify(done.stdout.strip())["appid"]
