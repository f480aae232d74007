"""Starts everything in order, waits for a signal, ends everything in the opposite order."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tf_serving.embedded.batch_scheduler import BatchScheduler
from tf_serving.embedded.batched_loading import batch_scheduler, loader, request_threads
from tf_serving.embedded.config_file_watcher import ConfigFileWatcher
from tf_serving.embedded.flags import parse_flags, usage
from tf_serving.embedded.grpc_server import start_grpc_server
from tf_serving.embedded.grpc_settings import GrpcSettings, channel_arguments, grpc_addresses, server_credentials
from tf_serving.embedded.manager import Manager
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.model_config import ModelConfig, read_model_config_file
from tf_serving.embedded.monitoring import metrics_path
from tf_serving.embedded.rest_server import RestServer, bind
from tf_serving.embedded.runner import SavedModelRunner, Threads
from tf_serving.embedded.status import ServingError, invalid
from tf_serving.embedded.tf_library import library
from tf_serving.embedded.timed_model import timed
from tf_serving.embedded.warmup import warmed_up

log = logging.getLogger("tf_serving.embedded")

_SHUTDOWN_S = 10


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    flags, remarks = parse_flags(arguments)
    for remark in remarks:
        print(remark, flush=True)
    if flags.version:
        print(_version())
        return 0
    if not flags.model_base_path and not flags.model_config_file:
        print(usage())
        print("Both server_options.model_base_path and server_options.model_config_file are empty!", file=sys.stderr)
        return 1
    try:
        configs = _configs(flags)
        library()
        _serve(flags, configs)
    except (ServingError, RuntimeError, OSError) as error:
        print(f"Failed to start server. Error: {error}", file=sys.stderr)
        return 1
    return 0


def _version() -> str:
    return (
        f"TensorFlow ModelServer: {importlib.metadata.version('tensorflow-serving-api')} (tf_serving.embedded)\n"
        f"TensorFlow Library: {library().TF_Version().decode()}"
    )


def _serve(flags: argparse.Namespace, configs: list[ModelConfig]) -> None:
    started = time.monotonic()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    grpc_settings = _grpc_settings(flags, stop)
    scheduler = batch_scheduler(flags.enable_batching, flags.batching_parameters_file)
    grpc_settings = dataclasses.replace(grpc_settings, threads=request_threads(flags.grpc_max_threads, scheduler))
    shown_at = metrics_path(Path(flags.monitoring_config_file)) if flags.monitoring_config_file else None
    listener = _rest_listener(flags)
    metrics = Metrics()
    manager = _manager(flags, configs, scheduler, metrics)
    metrics.count_only(manager.model_names)
    grpc_server = rest_server = watcher = None
    try:
        manager.start(flags.file_system_poll_wait_seconds)
        # What is there is loaded before the ports open: after a restart no client finds a server without its model.
        manager.wait_first_load(still_wanted=lambda: not stop.is_set())
        grpc_server = start_grpc_server(
            manager, metrics, grpc_settings, as_content=flags.enable_serialization_as_tensor_content
        )
        if listener is not None:
            rest_server = RestServer(
                manager,
                listener,
                threads=request_threads(flags.rest_api_num_threads, scheduler),
                timeout_s=flags.rest_api_timeout_in_ms / 1000,
                metrics=metrics,
                metrics_path=shown_at,
                cors=flags.rest_api_enable_cors_support,
            )
            rest_server.start()
        if flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0:
            watcher = ConfigFileWatcher(
                manager, Path(flags.model_config_file), flags.model_config_file_poll_wait_seconds
            )
            watcher.start()
        log.info(
            "serving gRPC on %s, REST on %s, after %.2f s",
            ", ".join(grpc_settings.addresses),
            f"{flags.bind_address}:{flags.rest_api_port}" if listener else "no port",
            time.monotonic() - started,
        )
        stop.wait()
        log.info("stopping")
    finally:
        if watcher is not None:
            watcher.stop()
        if grpc_server is not None:
            grpc_server.stop(_SHUTDOWN_S).wait()
        if rest_server is not None:
            rest_server.stop()
        manager.stop()


def _manager(
    flags: argparse.Namespace, configs: list[ModelConfig], scheduler: BatchScheduler | None, metrics: Metrics
) -> Manager[SavedModelRunner]:
    both = flags.tensorflow_session_parallelism
    threads = Threads(flags.tensorflow_intra_op_parallelism or both, flags.tensorflow_inter_op_parallelism or both)
    load = loader(scheduler, tags=tuple(flags.saved_model_tags.split(",")), threads=threads)
    load = timed(load, metrics)
    if flags.enable_model_warmup:
        load = warmed_up(load, metrics, iterations=max(1, flags.num_request_iterations_for_warmup))
    return Manager(
        configs,
        load,
        max_retries=flags.max_num_load_retries,
        retry_interval_s=flags.load_retry_interval_micros / 1e6,
        load_threads=flags.num_load_threads,
        allow_labels_for_unavailable=flags.allow_version_labels_for_unavailable_models,
        fall_back=flags.fall_back_to_older_versions,
    )


def _grpc_settings(flags: argparse.Namespace, stop: threading.Event) -> GrpcSettings:
    return GrpcSettings(
        grpc_addresses(flags.bind_address, flags.port, flags.grpc_socket_path),
        flags.grpc_max_threads,
        server_credentials(Path(flags.ssl_config_file)) if flags.ssl_config_file else None,
        channel_arguments(flags.grpc_channel_arguments),
        flags.enable_grpc_healthcheck_service,
        stop,
    )


def _rest_listener(flags: argparse.Namespace) -> socket.socket | None:
    if not flags.rest_api_port:
        return None
    if flags.rest_api_port == flags.port:
        log.error(
            "server_options.http_port cannot be same as grpc_port. Please use a different port for HTTP/REST API. "
            "Skipped exporting HTTP/REST API."
        )
        return None
    return bind(flags.bind_address, flags.rest_api_port)


def _configs(flags: argparse.Namespace) -> list[ModelConfig]:
    if flags.model_config_file:
        return read_model_config_file(Path(flags.model_config_file))
    if not Path(flags.model_base_path).is_absolute():
        raise invalid(
            f"Expected model {flags.model_name} to have an absolute path or URI; "
            f"got base_path()={flags.model_base_path}"
        )
    return [ModelConfig(flags.model_name, Path(flags.model_base_path))]
