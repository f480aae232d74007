from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.docker.exceptions import DockerContainerFailedException
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk.exceptions import AirflowSkipException

from smartgrid.orchestration.docker_step import DockerStepOperator, docker_arguments
from smartgrid.orchestration.errors import StepFailed, StepMisconfigured
from smartgrid.orchestration.step import mapped_step, step
from smartgrid.settings import get_settings, load_settings

SOCKET = Path("/var/run/docker.sock")


@pytest.fixture
def docker_runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("SMARTGRID_STEP_RUNNER", "docker")
    monkeypatch.setenv("SMARTGRID_STEP_IMAGE", "grid-ml:7")
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path))
    monkeypatch.delenv("SMARTGRID_CONFIG", raising=False)
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


class Scripted(DockerStepOperator):
    """The container's part only: what `DockerOperator._run_image` would bring back."""

    outcome: Any = None

    def _run_image(self) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    @property
    def cli(self) -> Any:
        return SimpleNamespace(images=lambda name: [name])


def scripted(outcome: Any) -> Scripted:
    operator = Scripted(task_id="t", step_name="ingest.plan", arguments={"a": 1}, image="x")
    operator.outcome = outcome
    return operator


def test_home_is_mounted_at_the_same_path(docker_runner: Path) -> None:
    operator = step("t", "ingest.plan", {"a": "{{ params.a }}"}, retries=2)
    assert isinstance(operator, DockerOperator)
    (mount,) = operator.mounts
    assert (mount["Source"], mount["Target"], mount["Type"]) == (str(docker_runner), str(docker_runner), "bind")
    assert (operator.image, operator.network_mode, operator.retries) == ("grid-ml:7", "host", 2)
    assert operator.mount_tmp_dir is False
    assert operator.template_fields == ("arguments",)


def test_named_volume_and_settings_file_are_mounted(
    docker_runner: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "grid.toml"
    config.write_text('step_volume = "grid-data"\nstep_network = "grid"\n')
    monkeypatch.setenv("SMARTGRID_CONFIG", str(config))
    arguments = docker_arguments(load_settings())
    volume, file = arguments["mounts"]
    assert (volume["Source"], volume["Type"]) == ("grid-data", "volume")
    assert (file["Target"], file["ReadOnly"]) == (str(config), True)
    assert arguments["network_mode"] == "grid"


def test_settings_travel_as_private_environment(docker_runner: Path) -> None:
    environment = {"SMARTGRID_SOURCE__TOKEN": "s3cret", "AIRFLOW__CORE__FERNET_KEY": "k", "PATH": "/bin"}
    arguments = docker_arguments(load_settings(), environment)
    assert arguments["private_environment"] == {
        "SMARTGRID_SOURCE__TOKEN": "s3cret",
        "SMARTGRID_HOME": str(docker_runner),
        "PYTHONUNBUFFERED": "1",
    }
    assert "environment" not in arguments


def test_last_json_object_of_the_output_is_the_result() -> None:
    operator = scripted([b"loading", '{"rows": 1}', "{'not': json", '{"rows": 2}', "a warning on standard error"])
    assert operator.execute({}) == {"rows": 2}
    assert operator.command == ["smartgrid", "step", "ingest.plan", "--arguments", '{"a": 1}']


def test_container_step_skips_like_a_process_step() -> None:
    with pytest.raises(AirflowSkipException, match="no new data"):
        scripted(['{"skipped": "no new data"}']).execute({})


@pytest.mark.parametrize(("code", "error"), [(1, StepFailed), (2, StepMisconfigured)])
def test_exit_code_of_the_container_decides_the_retry(code: int, error: type[Exception]) -> None:
    failure = DockerContainerFailedException(
        f"Docker container failed: {{'Error': None, 'StatusCode': {code}}}", logs=["ConfigurationError: bad unit"]
    )
    with pytest.raises(error, match="bad unit"):
        scripted(failure).execute({})


def test_mapped_steps_are_containers_too(docker_runner: Path) -> None:
    from airflow.sdk import DAG

    with DAG("d"):
        mapped = mapped_step("train", "automl.train", [{"trainer": "tpot"}], retries=1)
    assert mapped.operator_class is DockerStepOperator
    assert mapped.partial_kwargs["step_name"] == "automl.train"


@pytest.mark.skipif(not SOCKET.exists(), reason="no Docker engine here: /var/run/docker.sock is missing")
def test_container_really_runs(docker_runner: Path) -> None:
    operator = DockerStepOperator(task_id="t", step_name="no.such", image="smartgrid-ml:latest")
    with pytest.raises(StepMisconfigured):
        operator.execute({})
