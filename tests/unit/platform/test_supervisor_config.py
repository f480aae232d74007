from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from smartgrid.platform.supervisor_config import LONGEST_SOCKET_PATH, fingerprint, remove_socket, render, socket_path
from smartgrid.settings import Settings


def read(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


def test_every_program_is_restarted_and_stopped_with_its_group(home_settings: Settings) -> None:
    parser = read(render(home_settings))
    names = {section for section in parser.sections() if section.startswith("program:")}
    assert names == {
        "program:airflow-api-server",
        "program:airflow-scheduler",
        "program:airflow-dag-processor",
        "program:airflow-triggerer",
        "program:airflow-log-server",
        "program:analytics-api",
        "program:notifications-api",
        "program:mlflow",
        "program:model-server",
    }
    for name in names:
        assert parser[name]["autorestart"] == "true"
        assert parser[name]["stopasgroup"] == parser[name]["killasgroup"] == "true"


def test_a_percent_sign_in_the_home_folder_is_kept(home_settings: Settings, tmp_path: Path) -> None:
    from supervisor.options import ServerOptions

    settings = home_settings.model_copy(update={"home": tmp_path / "50%s full"})
    (settings.home / "logs").mkdir(parents=True)
    (settings.home / "run").mkdir()
    configuration = tmp_path / "supervisord.conf"
    configuration.write_text(render(settings))
    options = ServerOptions()
    options.realize(args=["-c", str(configuration)])
    logs = {config.stdout_logfile for group in options.process_group_configs for config in group.process_configs}
    assert str(settings.home / "logs" / "mlflow.log") in logs
    assert options.logfile == str(settings.home / "logs" / "supervisord.log")
    assert options.pidfile == str(settings.home / "run" / "supervisord.pid")
    remove_socket(settings)


def test_a_deep_home_gets_a_short_socket_that_is_found_again(home_settings: Settings, tmp_path: Path) -> None:
    settings = home_settings.model_copy(update={"home": tmp_path / ("deep" * 30)})
    first = socket_path(settings)
    assert len(str(first)) <= LONGEST_SOCKET_PATH
    assert socket_path(settings) == first
    remove_socket(settings)
    assert not first.parent.exists()


def test_other_settings_mean_a_restart(home_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(home_settings)
    assert fingerprint(home_settings) == before
    assert fingerprint(home_settings.model_copy(update={"mlflow_port": 5001})) != before
    monkeypatch.setenv("SMARTGRID_SOURCE__KIND", "csv")
    assert fingerprint(home_settings) != before
