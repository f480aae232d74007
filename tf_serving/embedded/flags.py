"""tensorflow_model_server's command line: its names, its defaults, and what each does here."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tf_serving.embedded.status import invalid

# Accepted, so that one command line starts either server, but without effect here: name and reason.
_NO_EFFECT: tuple[tuple[str, str], ...] = (
    ("num_unload_threads", "every unload has a thread of its own"),
    ("flush_filesystem_caches", "nothing is cached"),
    ("tensorflow_session_config_file", "use the parallelism flags"),
    ("use_alts_credentials", "ALTS exists on Google's machines only"),
    ("platform_config_file", "the only platform is tensorflow"),
    ("per_process_gpu_memory_fraction", "no GPU is used"),
    ("remove_unused_fields_from_bundle_metagraph", "they are never kept"),
    ("prefer_tflite_model", "SavedModels only"),
    ("num_tflite_pools", "SavedModels only"),
    ("num_tflite_interpreters_per_pool", "SavedModels only"),
    ("xla_cpu_compilation_enabled", "XLA is not used"),
    ("enable_profiler", "there is no profiler service"),
    ("thread_pool_factory_config_file", "TensorFlow's own pools are used"),
    ("mixed_precision", "models run as they are"),
    ("skip_initialize_tpu", "no TPU is used"),
    ("tpu_inference_preset", "no TPU is used"),
    ("enable_per_model_metrics", "metrics are always per model"),
    ("enable_per_model_batching_parameters", "all models share --batching_parameters_file"),
    ("xla_gpu_compilation_enabled", "no GPU is used"),
)


_CHANNEL_ARGUMENTS = (
    "comma-separated key=value pairs. With effect here: grpc.max_concurrent_streams, grpc.max_connection_idle_ms, "
    "grpc.server_handshake_timeout_ms, grpc.max_metadata_size, grpc.http2.max_frame_size, grpc.http2.lookahead_bytes, "
    "grpc.max_receive_message_length, grpc.max_send_message_length, grpc.default_compression_algorithm; others are "
    "accepted without effect"
)


@dataclass(frozen=True, slots=True)
class _Boolean:
    name: str
    default: bool
    help: str


_BOOLEANS = (
    _Boolean("rest_api_enable_cors_support", False, "answer browsers of other origins"),
    _Boolean("enable_batching", False, "run requests that come together in one batch"),
    _Boolean("enable_model_warmup", True, "replay assets.extra/tf_serving_warmup_requests before a version serves"),
    _Boolean("allow_version_labels_for_unavailable_models", False, "a new label may name a version not loaded yet"),
    _Boolean("enable_grpc_healthcheck_service", False, "serve grpc.health.v1.Health"),
    _Boolean("enable_serialization_as_tensor_content", False, "Predict answers with raw bytes, not typed values"),
    _Boolean(
        "fall_back_to_older_versions",
        False,
        "only here: while the newest versions on disk cannot be loaded, load older ones instead, at the start too",
    ),
    _Boolean("enable_signature_method_name_check", False, "refuse signatures whose method_name is not the request's"),
    _Boolean("version", False, "print the version and end"),
)


_VALUES = {"true": True, "1": True, "t": True, "yes": True, "false": False, "0": False, "f": False, "no": False}


def _boolean(text: str) -> bool:
    if text.lower() not in _VALUES:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return _VALUES[text.lower()]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise invalid(message)


def _parser() -> argparse.ArgumentParser:
    workers = 4 * (os.cpu_count() or 1)
    parser = _Parser(
        prog="python -m tf_serving.embedded",
        description="Serves TensorFlow SavedModels by TensorFlow Serving's protocol, with its flags. "
        "Write --flag=value or --flag value; switches also as --flag or --noflag.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=8500, help="gRPC; 0: off, then --grpc_socket_path is needed")
    add("--grpc_socket_path", default="", help="serve gRPC on this Unix socket as well")
    add("--rest_api_port", type=int, default=0, help="REST; 0: off")
    add("--bind_address", default="127.0.0.1", help="only here: the address to listen on")
    add("--workers", type=int, default=1, help="only here: processes that share the ports, each with its own models")
    add(
        "--rest_api_num_threads",
        type=int,
        default=workers,
        help="slow or large requests worked on at once",
    )
    add("--rest_api_timeout_in_ms", type=int, default=30_000, help="after that, 504; 0: never")
    add("--grpc_max_threads", type=int, default=workers, help="slow or large requests worked on at once")
    add("--grpc_channel_arguments", default="", help=_CHANNEL_ARGUMENTS)
    add("--ssl_config_file", default="", help="SSLConfig as text: TLS, mutual with client_verify, for gRPC")
    add("--model_name", default="default", help="what requests call the model; not used with --model_config_file")
    add("--model_base_path", default="", help="absolute; its integer children are the versions")
    add("--model_config_file", default="", help="ModelServerConfig as text: several models; overrides the two above")
    add("--model_config_file_poll_wait_seconds", type=float, default=0, help="reread that file; 0: once")
    add("--monitoring_config_file", default="", help="MonitoringConfig as text: metrics on the REST port")
    add("--batching_parameters_file", default="", help="BatchingParameters as text, with --enable_batching")
    add("--file_system_poll_wait_seconds", type=float, default=1.0, help="look for versions; 0: once; <0: never")
    add("--max_num_load_retries", type=int, default=5, help="per version, after the first attempt")
    add("--load_retry_interval_micros", type=int, default=60_000_000, help="between two attempts")
    add("--num_load_threads", type=int, default=0, help="versions loaded at once after the start; 0: one")
    add("--num_request_iterations_for_warmup", type=int, default=0, help="replays of each warm-up request; 0: one")
    add("--saved_model_tags", default="serve", help="comma-separated tags of the graph to load")
    add("--tensorflow_session_parallelism", type=int, default=0, help="threads of each pool; 0: as many as cores")
    add("--tensorflow_intra_op_parallelism", type=int, default=0, help="threads within an operation; 0: the above")
    add("--tensorflow_inter_op_parallelism", type=int, default=0, help="operations at once; 0: the above")
    for switch in _BOOLEANS:
        add(f"--{switch.name}", type=_boolean, nargs="?", const=True, default=switch.default, help=switch.help)
        add(f"--no{switch.name}", dest=switch.name, action="store_false", default=argparse.SUPPRESS,
            help=argparse.SUPPRESS)  # fmt: skip
    idle = parser.add_argument_group("accepted, without effect here")
    for name, reason in _NO_EFFECT:
        idle.add_argument(f"--{name}", nargs="?", const="true", default=None, help=f"no effect here: {reason}")
        idle.add_argument(f"--no{name}", dest=name, action="store_const", const="false", help=argparse.SUPPRESS)
    return parser


def parse_flags(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The flags, and one remark for each that is unknown or without effect.

    Raises:
        ServingError: INVALID_ARGUMENT, a value that its flag cannot have.
    """
    flags, unknown = _parser().parse_known_args(_with_switch_values(arguments))
    remarks = [f"unknown argument: {argument}" for argument in unknown]
    remarks += [
        f"--{name} has no effect in the embedded server" for name, _ in _NO_EFFECT if getattr(flags, name) is not None
    ]
    if flags.model_base_path:
        flags.model_base_path = str(Path(flags.model_base_path.removeprefix("file://")))
    return flags, remarks


def _with_switch_values(arguments: Sequence[str]) -> list[str]:
    """The arguments with `--switch true` as `--switch=true`, and `--switch` as that too where no value follows: what
    stands behind a switch and is none of its values is an argument of its own."""
    switches = {f"--{switch.name}" for switch in _BOOLEANS}
    written: list[str] = []
    for argument in arguments:
        if written and written[-1] in switches:
            if argument.lower() in _VALUES:
                written[-1] += f"={argument}"
                continue
            written[-1] += "=true"
        written.append(argument)
    return written


def usage() -> str:
    """What `--help` prints."""
    return _parser().format_help()
