"""Starts everything in order, waits for a signal, ends everything in the opposite order."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tf_serving.embedded.flags import parse_flags
from tf_serving.embedded.grpc_server import start_grpc_server
from tf_serving.embedded.manager import Manager
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.model_config import ModelConfig, read_model_config_file
from tf_serving.embedded.monitoring import metrics_path
from tf_serving.embedded.rest_server import RestServer, bind
from tf_serving.embedded.runner import SavedModelRunner
from tf_serving.embedded.status import ServingError, invalid
from tf_serving.embedded.tf_library import library

log = logging.getLogger("tf_serving.embedded")

_SHUTDOWN_S = 10


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    flags, remarks = parse_flags(arguments)
    for remark in remarks:
        log.warning("%s", remark)
    if flags.version:
        print(f"tf_serving.embedded on TensorFlow {library().TF_Version().decode()}")
        return 0
    try:
        configs = _configs(flags)
        library()
        _serve(flags, configs)
    except (ServingError, RuntimeError, OSError) as error:
        log.error("%s", error.message if isinstance(error, ServingError) else error)
        return 1
    return 0


def _serve(flags: argparse.Namespace, configs: list[ModelConfig]) -> None:
    started = time.monotonic()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    listener = bind(flags.bind_address, flags.rest_api_port) if flags.rest_api_port else None
    metrics = Metrics([config.name for config in configs])
    shown_at = metrics_path(Path(flags.monitoring_config_file)) if flags.monitoring_config_file else None
    tags = tuple(flags.saved_model_tags.split(","))
    manager: Manager[SavedModelRunner] = Manager(
        configs,
        lambda folder: SavedModelRunner(folder, tags=tags, threads=flags.tensorflow_session_parallelism),
        max_retries=flags.max_num_load_retries,
        retry_interval_s=flags.load_retry_interval_micros / 1e6,
    )
    # What is there is loaded before the ports open: after a restart no client finds a server without its model.
    manager.poll()
    grpc_server = rest_server = None
    try:
        if flags.port:
            grpc_server = start_grpc_server(
                manager,
                metrics,
                _address(flags.bind_address, flags.port),
                threads=flags.grpc_max_threads,
                as_content=flags.enable_serialization_as_tensor_content,
                health=flags.enable_grpc_healthcheck_service,
            )
        if listener is not None:
            timeout_s = flags.rest_api_timeout_in_ms / 1000
            rest_server = RestServer(
                manager,
                listener,
                threads=flags.rest_api_num_threads,
                timeout_s=timeout_s,
                metrics=metrics,
                metrics_path=shown_at,
            )
            rest_server.start()
        manager.start(flags.file_system_poll_wait_seconds)
        log.info(
            "serving on %s, gRPC port %s, REST port %s, after %.2f s",
            flags.bind_address, flags.port or "off", flags.rest_api_port or "off", time.monotonic() - started,
        )  # fmt: skip
        stop.wait()
        log.info("stopping")
    finally:
        if grpc_server is not None:
            grpc_server.stop(_SHUTDOWN_S).wait()
        if rest_server is not None:
            rest_server.stop()
        manager.stop()


def _configs(flags: argparse.Namespace) -> list[ModelConfig]:
    if flags.model_config_file:
        configs = read_model_config_file(Path(flags.model_config_file))
        if not flags.allow_version_labels_for_unavailable_models:
            for config in configs:
                for label, version in config.labels.items():
                    raise invalid(
                        f"Request to assign label {label} to version {version} of model {config.name}, which is not "
                        "currently available for inference; start with "
                        "--allow_version_labels_for_unavailable_models"
                    )
        return configs
    if not flags.model_base_path:
        raise invalid("Give --model_name and --model_base_path, or --model_config_file.")
    if not Path(flags.model_base_path).is_absolute():
        raise invalid(
            f"Expected model {flags.model_name} to have an absolute path or URI; "
            f"got base_path()={flags.model_base_path}"
        )
    return [ModelConfig(flags.model_name, Path(flags.model_base_path))]


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
