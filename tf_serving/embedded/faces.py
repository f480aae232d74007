"""Both network faces, gRPC and REST, as the flags describe them."""

from __future__ import annotations

import argparse
import logging
import socket
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tf_serving.embedded import listeners
from tf_serving.embedded.asgi_server import AsgiServer, Companion, Endpoint
from tf_serving.embedded.dispatcher import Dispatcher
from tf_serving.embedded.grpc_app import GrpcApp
from tf_serving.embedded.grpc_methods import grpc_methods
from tf_serving.embedded.grpc_settings import channel_arguments
from tf_serving.embedded.http_server import HttpServer
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.model_manager import ModelManager
from tf_serving.embedded.monitoring import metrics_path
from tf_serving.embedded.rest_app import RestApp
from tf_serving.embedded.socket_relay import SocketRelay
from tf_serving.embedded.ssl_config import SslConfig
from tf_serving.embedded.status import invalid

log = logging.getLogger(__name__)

_OTHER_THREADS = 8  # for requests that run no model; some wait for others


class Faces:
    """Made before anything is loaded, so that what the flags get wrong is known at once; `start` opens the ports.

    `stop` is set when the server is to end: requests that wait for something then end too. With `shared_ports` other
    processes of this server listen on the same ports, and `unix_socket` is the one that they share, if there is one.

    Raises:
        ServingError: a file or an address that the flags name cannot be used.
        OSError: a port is taken.
    """

    def __init__(
        self,
        flags: argparse.Namespace,
        stop: threading.Event,
        *,
        shared_ports: bool = False,
        unix_socket: socket.socket | None = None,
    ) -> None:
        self._flags, self._stop = flags, stop
        # A second network thread costs more in wake-ups than it brings.
        self._options: dict[str, Any] = {"runtime_threads": 1}
        self._channel = channel_arguments(flags.grpc_channel_arguments)
        for key in self._channel.idle:
            print(f"--grpc_channel_arguments: {key} has no effect in the embedded server", flush=True)
        self._ssl = SslConfig(Path(flags.ssl_config_file)) if flags.ssl_config_file else None
        self._shown_at = metrics_path(Path(flags.monitoring_config_file)) if flags.monitoring_config_file else None
        self._shared_unix_socket = unix_socket
        self._grpc_listeners = _grpc_listeners(flags, shared_ports, unix_socket)
        self._tls_port = self._take_tls_port() if self._ssl is not None else None
        self._rest_listener = _rest_listener(flags, shared_ports)
        self._dispatchers: list[Dispatcher] = []
        self._server: AsgiServer | None = None

    def start(self, manager: ModelManager, metrics: Metrics) -> None:
        """Open the ports.

        Raises:
            OSError, ServingError: one cannot be served as the flags say.
        """
        flags = self._flags
        others = self._dispatcher(_OTHER_THREADS, "other")
        methods = grpc_methods(
            manager,
            metrics,
            self._stop,
            as_content=flags.enable_serialization_as_tensor_content,
            health=flags.enable_grpc_healthcheck_service,
        )
        grpc_app = GrpcApp(methods, self._channel.limits, self._dispatcher(flags.grpc_max_threads, "grpc"), others)
        without_tls: AbstractContextManager[dict[str, Any]] = nullcontext({})
        with without_tls if self._ssl is None else self._ssl.options() as tls:
            served = [self._tls_port] if self._tls_port else self._grpc_listeners
            endpoints = [Endpoint(grpc_app, served, {**self._options, **self._channel.options, **tls})]
            companions: list[Companion] = [
                SocketRelay(listener, self._tls_port)
                for listener in self._grpc_listeners
                if self._tls_port and listener is not self._tls_port
            ]
            if self._rest_listener is not None:
                rest_app = RestApp(
                    manager,
                    self._dispatcher(flags.rest_api_num_threads, "rest"),
                    others,
                    timeout_s=flags.rest_api_timeout_in_ms / 1000 if flags.rest_api_timeout_in_ms > 0 else None,
                    metrics=metrics,
                    metrics_path=self._shown_at,
                    cors=flags.rest_api_enable_cors_support,
                )
                companions.append(HttpServer(rest_app.answer, self._rest_listener))
            self._server = AsgiServer(endpoints, companions)
            self._server.start()

    def _take_tls_port(self) -> socket.socket:
        """The port that has TLS: gRPC's own, or where it is served on a Unix socket only, any port of this machine."""
        first = self._grpc_listeners[0]
        if first.family == socket.AF_UNIX:
            self._grpc_listeners.append(listeners.bind_tcp("gRPC", "127.0.0.1", 0))
            return self._grpc_listeners[-1]
        return first

    def _dispatcher(self, threads: int, name: str) -> Dispatcher:
        self._dispatchers.append(Dispatcher(max(1, threads), name))
        return self._dispatchers[-1]

    def __str__(self) -> str:
        rest = listeners.address(self._rest_listener) if self._rest_listener else "no port"
        return f"gRPC on {', '.join(map(listeners.address, self._grpc_listeners))}, REST on {rest}"

    def stop(self) -> None:
        """Take no more requests and finish those under way."""
        if self._server is not None:
            self._server.stop()
        for dispatcher in self._dispatchers:
            dispatcher.stop()
        for listener in (*self._grpc_listeners, self._rest_listener):
            if listener is not None and listener is self._shared_unix_socket:
                listener.close()  # the path belongs to all
            elif listener is not None:
                listeners.close(listener)


def _grpc_listeners(
    flags: argparse.Namespace, shared_ports: bool, unix_socket: socket.socket | None
) -> list[socket.socket]:
    if not flags.port and not flags.grpc_socket_path:
        raise invalid("At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.")
    found = []
    if flags.port:
        found.append(listeners.bind_tcp("gRPC", flags.bind_address, flags.port, shared=shared_ports))
    if flags.grpc_socket_path:
        found.append(unix_socket or listeners.bind_unix("gRPC", Path(flags.grpc_socket_path)))
    return found


def _rest_listener(flags: argparse.Namespace, shared_ports: bool) -> socket.socket | None:
    if not flags.rest_api_port:
        return None
    if flags.rest_api_port == flags.port:
        log.error(
            "server_options.http_port cannot be same as grpc_port. Please use a different port for HTTP/REST API. "
            "Skipped exporting HTTP/REST API."
        )
        return None
    return listeners.bind_tcp("REST", flags.bind_address, flags.rest_api_port, shared=shared_ports)
