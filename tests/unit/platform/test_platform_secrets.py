from __future__ import annotations

import json
import stat
from pathlib import Path

from cryptography.fernet import Fernet

from smartgrid.platform.airflow_environment import airflow_environment
from smartgrid.platform.programs import common_environment, program_environment, programs
from smartgrid.platform.secrets import ensure_secrets
from smartgrid.platform.supervisor_config import render
from smartgrid.settings import Settings


def test_secrets_are_private_strong_and_stay_the_same(tmp_path: Path) -> None:
    first, second = ensure_secrets(tmp_path), ensure_secrets(tmp_path)
    assert first == second
    assert len(first.jwt_secret.get_secret_value().encode()) >= 64
    Fernet(first.fernet_key.get_secret_value())  # raises for a malformed key
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    for file in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_lost_password_is_made_anew_and_the_others_are_kept(tmp_path: Path) -> None:
    secrets = ensure_secrets(tmp_path)
    kept = secrets.password("admin")
    passwords = json.loads(secrets.passwords_file.read_text())
    del passwords["viewer"]
    secrets.passwords_file.write_text(json.dumps(passwords))
    again = ensure_secrets(tmp_path)
    assert again.password("admin") == kept
    assert again.password("viewer").get_secret_value()


def test_only_airflow_processes_get_airflow_secrets(home_settings: Settings) -> None:
    secrets = ensure_secrets(home_settings.home)
    values = {
        secrets.fernet_key.get_secret_value(),
        secrets.api_secret_key.get_secret_value(),
        secrets.jwt_secret.get_secret_value(),
    }
    for program in programs(home_settings):
        environment = set(program_environment(home_settings, program).values())
        # Our APIs check tokens, and get the key of tokens alone.
        expected = {secrets.jwt_secret.get_secret_value()} if program.is_api else set()
        expected = values if program.name.startswith("airflow") else expected
        assert values & environment == expected, program.name
    for text in [render(home_settings), *common_environment(home_settings).values()]:
        assert not any(value in text for value in values)


def test_a_database_password_is_on_no_command_line(home_settings: Settings) -> None:
    settings = home_settings.model_copy(
        update={"mlflow_database_url": Settings(mlflow_database_url="postgresql://u:hunter2@db/m").mlflow_database_url}
    )
    for program in programs(settings):
        assert not any("hunter2" in argument for argument in program.argv)
    assert "hunter2" not in render(settings)


def test_everyone_must_log_in(home_settings: Settings) -> None:
    environment = airflow_environment(home_settings, ensure_secrets(home_settings.home))
    assert environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "False"
    users = environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
    assert users == "admin:admin,approver:op,operator:user,viewer:viewer"
