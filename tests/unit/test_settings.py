"""Settings: everything wrong is said at once, and no secret is shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from smartgrid.errors import ConfigurationError
from smartgrid.settings import load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    import os

    for name in list(os.environ):
        if name.startswith("SMARTGRID_"):
            monkeypatch.delenv(name)
    config = tmp_path / "grid.toml"
    config.write_text("")
    monkeypatch.setenv("SMARTGRID_CONFIG", str(config))
    return config


def test_all_wrong_values_are_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTGRID_AIRFLOW_PORT", "99999")
    monkeypatch.setenv("SMARTGRID_TIMEZONE", "Mars/Olympus")
    monkeypatch.setenv("SMARTGRID_SOURCE__UNITS__LOAD", "horsepower")
    monkeypatch.setenv("SMARTGRID_AIRFLOW_PROT", "8080")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    for word in ("AIRFLOW_PORT", "Mars/Olympus", "SOURCE__UNITS__LOAD", "AIRFLOW_PROT: no such setting"):
        assert word in text


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, clean: Path) -> None:
    clean.write_text('airflow_port = 8081\n[source]\nkind = "csv"\npath = "meters"\n[source.units]\nload = "kWh"\n')
    monkeypatch.setenv("SMARTGRID_SOURCE__UNITS__LOAD", "MW")
    settings = load_settings()
    assert (settings.airflow_port, settings.source.kind, settings.source.units.load) == (8081, "csv", "MW")


def test_a_misspelt_key_of_the_file_is_an_error(clean: Path) -> None:
    clean.write_text('[source]\nkind = "csv"\npth = "meters"\n')
    with pytest.raises(ConfigurationError, match="pth"):
        load_settings()


def test_broken_toml_is_named_with_its_file(clean: Path) -> None:
    clean.write_text("[source\n")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load_settings()


def test_a_missing_settings_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTGRID_CONFIG", "/nowhere/grid.toml")
    with pytest.raises(ConfigurationError, match="no such file"):
        load_settings()


def test_names_that_users_already_know_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    monkeypatch.setenv("TENSORFLOW_SERVING_URL", "http://serving:8501/")
    settings = load_settings()
    assert (settings.tracking_uri, settings.rest_url) == ("http://tracking:5000", "http://serving:8501")


@pytest.mark.parametrize("arguments", [["config", "show"], ["config", "show", "--json"]])
def test_config_show_hides_every_secret(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("SMARTGRID_STORE_URL", "postgresql://grid:hunter2@db/store")
    monkeypatch.setenv("SMARTGRID_SOURCE__URL", "https://user:hunter2@meters/api")
    monkeypatch.setenv("SMARTGRID_SOURCE__TOKEN", "hunter2")
    done = subprocess.run([sys.executable, "-m", "smartgrid", *arguments], capture_output=True, text=True, check=True)
    assert "hunter2" not in done.stdout + done.stderr
    assert "**********" in done.stdout


def test_a_wrong_setting_ends_the_command_with_code_2_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTGRID_AIRFLOW_PORT", "0")
    done = subprocess.run([sys.executable, "-m", "smartgrid", "config", "show"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "SMARTGRID_AIRFLOW_PORT" in done.stderr
    assert "Traceback" not in done.stderr
