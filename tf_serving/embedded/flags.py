"""tensorflow_model_server's command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

# Accepted, so that one command line starts either server, but without effect here.
_NO_EFFECT = (
    "grpc_socket_path",
    "rest_api_enable_cors_support",
    "model_config_file_poll_wait_seconds",
    "num_load_threads",
    "num_unload_threads",
    "enable_batching",
    "batching_parameters_file",
    "enable_model_warmup",
    "num_request_iterations_for_warmup",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
    "grpc_channel_arguments",
    "enable_signature_method_name_check",
    "ssl_config_file",
)


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in ("true", "1", "t", "yes"):
        return True
    if lowered in ("false", "0", "f", "no"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _parser() -> argparse.ArgumentParser:
    workers = 4 * (os.cpu_count() or 1)
    parser = argparse.ArgumentParser(
        prog="python -m tf_serving.embedded",
        description="Serves TensorFlow SavedModels by TensorFlow Serving's protocol.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=8500, help="gRPC; 0: off")
    parser.add_argument("--rest_api_port", type=int, default=0, help="REST; 0: off")
    parser.add_argument("--bind_address", default="127.0.0.1", help="only here: the address to listen on")
    parser.add_argument("--rest_api_num_threads", type=int, default=workers)
    parser.add_argument("--rest_api_timeout_in_ms", type=int, default=30_000)
    parser.add_argument("--grpc_max_threads", type=int, default=workers)
    parser.add_argument("--model_name", default="default")
    parser.add_argument("--model_base_path", default="", help="absolute; its integer children are the versions")
    parser.add_argument("--model_config_file", default="", help="several models; overrides the two above")
    parser.add_argument("--monitoring_config_file", default="", help="shows metrics on the REST port")
    parser.add_argument("--file_system_poll_wait_seconds", type=float, default=1.0, help="0: look once")
    parser.add_argument("--max_num_load_retries", type=int, default=5)
    parser.add_argument("--load_retry_interval_micros", type=int, default=60_000_000)
    parser.add_argument("--saved_model_tags", default="serve")
    parser.add_argument("--tensorflow_session_parallelism", type=int, default=0, help="threads; 0: as many as cores")
    for name in (
        "allow_version_labels_for_unavailable_models",
        "enable_grpc_healthcheck_service",
        "enable_serialization_as_tensor_content",
        "version",
    ):
        parser.add_argument(f"--{name}", type=_boolean, nargs="?", const=True, default=False)
    for name in _NO_EFFECT:
        parser.add_argument(f"--{name}", nargs="?", const="true", default=None, help=argparse.SUPPRESS)
    return parser


def parse_flags(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The flags, and one remark for each that is unknown or without effect."""
    flags, unknown = _parser().parse_known_args(arguments)
    remarks = [f"unknown flag ignored: {argument}" for argument in unknown]
    remarks += [
        f"--{name} has no effect in the embedded server" for name in _NO_EFFECT if getattr(flags, name) is not None
    ]
    if flags.model_base_path:
        flags.model_base_path = str(Path(flags.model_base_path.removeprefix("file://")))
    return flags, remarks
