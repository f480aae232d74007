"""tensorflow_model_server's command line and configuration file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tf_serving.embedded.flags import parse_flags, usage
from tf_serving.embedded.grpc_settings import HONOURED
from tf_serving.embedded.model_config import VersionPolicy, read_model_config_file
from tf_serving.embedded.model_config_json import from_json, to_json
from tf_serving.embedded.monitoring import metrics_path
from tf_serving.embedded.request_log_settings import RequestLogSettings
from tf_serving.embedded.status import Code, ServingError

REPOSITORY_FILE = Path(__file__).parents[3] / "tf_serving" / "models.config"


def test_the_image_s_own_command_line_is_understood() -> None:
    flags, remarks = parse_flags(
        ["--port=8500", "--rest_api_port=8501", "--model_name=model", "--model_base_path=/models/model"]
    )
    assert (flags.port, flags.rest_api_port) == (8500, 8501)
    assert (flags.model_name, flags.model_base_path) == ("model", "/models/model")
    assert flags.bind_address == "127.0.0.1"
    assert remarks == []


def test_unknown_and_idle_flags_are_named_and_not_fatal() -> None:
    _, remarks = parse_flags(["--frobnicate=1", "--noenable_profiler", "--num_unload_threads", "3"])
    assert remarks == [
        "unknown argument: --frobnicate=1",
        "--num_unload_threads has no effect in the embedded server",
        "--enable_profiler has no effect in the embedded server",
    ]


def test_channel_arguments_with_effect_are_named_in_the_help() -> None:
    shown = usage().replace("\n", "").replace(" ", "")
    assert HONOURED
    assert all(key in shown for key in HONOURED)


def test_flags_without_effect_say_so_in_the_help() -> None:
    text = usage()
    assert "--flush_filesystem_caches" in text
    assert "no effect here: nothing is cached" in text


def test_defaults_are_those_of_the_real_server() -> None:
    flags, _ = parse_flags([])
    assert (flags.port, flags.rest_api_port, flags.model_name) == (8500, 0, "default")
    assert (flags.rest_api_timeout_in_ms, flags.file_system_poll_wait_seconds) == (30_000, 1)
    assert (flags.max_num_load_retries, flags.load_retry_interval_micros) == (5, 60_000_000)
    assert (flags.enable_model_warmup, flags.enable_batching) == (True, False)
    assert flags.model_config_file_poll_wait_seconds == 0


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("--enable_grpc_healthcheck_service", True),
        ("--enable_grpc_healthcheck_service=true", True),
        ("--enable_grpc_healthcheck_service=false", False),
        ("--enable_grpc_healthcheck_service=0", False),
        ("--noenable_grpc_healthcheck_service", False),
    ],
)
def test_boolean_flags_take_a_value_or_none(argument: str, value: bool) -> None:
    assert parse_flags([argument])[0].enable_grpc_healthcheck_service is value


@pytest.mark.parametrize(
    ("arguments", "enabled", "unknown"),
    [
        (["--enable_batching", "stray"], True, ["stray"]),
        (["--enable_batching", "false", "stray"], False, ["stray"]),
        (["--enable_batching", "--port=1"], True, []),
        (["--enable_batching", "--", "true"], True, ["--", "true"]),
    ],
)
def test_what_follows_a_switch_is_its_value_only_if_it_is_one(
    arguments: list[str], enabled: bool, unknown: list[str]
) -> None:
    flags, remarks = parse_flags(arguments)
    assert flags.enable_batching is enabled
    assert remarks == [f"unknown argument: {argument}" for argument in unknown]


ENTRY = (
    'config {{ name: "{0}" base_path: "/m" model_platform: "tensorflow" logging_config {{ log_collector_config {{ '
    'filename_prefix: "{1}" type: "{2}" }} sampling_config {{ sampling_rate: 0.5 }} }} }}'
)
LOGGED = f"model_config_list {{{{ {ENTRY} }}}}"


def test_request_logging_is_read_and_survives_the_way_between_processes(tmp_path: Path) -> None:
    (model,) = read_model_config_file(config(tmp_path, LOGGED.format("a", "/var/log/a", "tfrecord")))
    assert model.request_log == RequestLogSettings("/var/log/a", 0.5)
    assert from_json(json.loads(json.dumps(to_json(model)))) == model


def config(folder: Path, text: str) -> Path:
    path = folder / "models.config"
    path.write_text(text)
    return path


def test_config_file_with_policies_and_labels(tmp_path: Path) -> None:
    path = config(
        tmp_path,
        """
        model_config_list {
          config { name: "a" base_path: "/m/a" model_platform: "tensorflow" }
          config {
            name: "b" base_path: "file:///m/b" model_platform: "tensorflow"
            model_version_policy { specific { versions: 4 versions: 5 } }
            version_labels { key: "stable" value: 4 }
          }
          config { name: "c" base_path: "/m/c" model_platform: "tensorflow"
                   model_version_policy { latest { num_versions: 2 } } }
          config { name: "d" base_path: "/m/d" model_platform: "tensorflow" model_version_policy { all {} } }
        }
        """,
    )
    a, b, c, d = read_model_config_file(path)
    assert (a.name, a.base_path, a.policy) == ("a", Path("/m/a"), VersionPolicy("latest", 1))
    assert (b.base_path, b.policy) == (Path("/m/b"), VersionPolicy("specific", versions=frozenset({4, 5})))
    assert b.labels == {"stable": 4}
    assert c.policy == VersionPolicy("latest", 2)
    assert d.policy == VersionPolicy("all")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "Error parsing text-format tensorflow.serving.ModelServerConfig: 1:1 "),
        (LOGGED.format("a", "/log", "carrier-pigeon"), "Cannot find LogCollector::Factory for type: carrier-pigeon"),
        (LOGGED.format("a", "log", ""), "logging_config of model a to have an absolute LogCollectorConfig"),
        (
            f"model_config_list {{ {' '.join(ENTRY.format(name, '/log', '') for name in 'ab')} }}",
            r"Duplicate LogCollectorConfig::filename_prefix\(\): /log",
        ),
        ("custom_model_config { }", "does not yet support custom model config"),
        (
            (
                'model_config_list { config { name: "a" base_path: "/m" model_platform: "tensorflow" '
                "model_type: TENSORFLOW } }"
            ),
            "Illegal setting both ModelServerConfig::model_type",
        ),
        (
            (
                'model_config_list { config { name: "a" base_path: "/m" model_platform: "tensorflow" } '
                'config { name: "a" base_path: "/n" model_platform: "tensorflow" } }'
            ),
            "Illegal to list model a multiple times in config list",
        ),
        (
            'model_config_list { config { name: "a" base_path: "m" model_platform: "tensorflow" } }',
            r"Expected model a to have an absolute path or URI; got base_path\(\)=m",
        ),
        (
            'model_config_list { config { name: "a" base_path: "/m" } }',
            "Illegal setting neither ModelServerConfig::model_type",
        ),
        (
            'model_config_list { config { name: "a" base_path: "/m" model_platform: "caffe" } }',
            "Model a requests unsupported platform caffe",
        ),
    ],
)
def test_wrong_config_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ServingError, match=problem):
        read_model_config_file(config(tmp_path, text))


def test_an_empty_config_file_has_no_models(tmp_path: Path) -> None:
    assert read_model_config_file(config(tmp_path, "")) == []


def test_a_served_model_cannot_change_its_platform(tmp_path: Path) -> None:
    text = 'model_config_list { config { name: "a" base_path: "/m" model_platform: "caffe" } }'
    with pytest.raises(ServingError, match="For model a platform was tensorflow and new platform requested is caffe"):
        read_model_config_file(config(tmp_path, text), known=["a"])


def test_metrics_are_shown_where_the_file_says(tmp_path: Path) -> None:
    shipped = REPOSITORY_FILE.parent / "monitoring.config"
    assert metrics_path(shipped) == "/monitoring/prometheus/metrics"
    file = tmp_path / "monitoring.config"
    file.write_text('prometheus_config { enable: true path: "/m" }')
    assert metrics_path(file) == "/m"
    file.write_text('prometheus_config { path: "/m" }')
    assert metrics_path(file) is None
    file.write_text("nonsense")
    with pytest.raises(ServingError, match="Invalid protobuf file"):
        metrics_path(file)
    with pytest.raises(ServingError, match="; No such file or directory") as caught:
        metrics_path(tmp_path / "none.config")
    assert caught.value.code is Code.NOT_FOUND


def test_missing_config_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="absent"):
        read_model_config_file(tmp_path / "absent")


def test_the_repository_s_config_file_is_accepted() -> None:
    (model,) = read_model_config_file(REPOSITORY_FILE)
    assert model.name == "smartgrid-load-forecasting"
