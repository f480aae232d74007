"""Where and how gRPC is served: ports, sockets, TLS, channel arguments."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from tf_serving.embedded.status import invalid
from tf_serving.embedded.text_proto import BOOL, STRING, read_text_proto

_SSL_CONFIG = {"server_key": STRING, "server_cert": STRING, "custom_ca": STRING, "client_verify": BOOL}


@dataclass(frozen=True, slots=True)
class GrpcSettings:
    """`credentials` None: without TLS. Requests are worked on by `threads` threads; when `stopping` is set, those that
    wait for something end."""

    addresses: tuple[str, ...]
    threads: int
    credentials: grpc.ServerCredentials | None = None
    channel_arguments: tuple[tuple[str, int | str], ...] = ()
    health: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)


def grpc_addresses(host: str, port: int, socket_path: str) -> tuple[str, ...]:
    """The addresses that the flags ask for.

    Raises:
        ServingError: none.
    """
    if not port and not socket_path:
        raise invalid("At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.")
    tcp = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}",) if port else ()
    return (*tcp, f"unix:{socket_path}") if socket_path else tcp


def channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    """`key=value` pairs, separated by commas; values that are integers count as such.

    Raises:
        ServingError: a pair without "=".
    """
    pairs: list[tuple[str, int | str]] = []
    for argument in filter(None, text.split(",")):
        key, equals, value = argument.partition("=")
        if not equals:
            raise invalid(f"--grpc_channel_arguments: {argument!r} is not key=value")
        try:
            pairs.append((key, int(value)))
        except ValueError:
            pairs.append((key, value))
    return tuple(pairs)


def server_credentials(file: Path) -> grpc.ServerCredentials:
    """TLS by an SSLConfig in protobuf text format, whose fields hold PEM texts; `client_verify` asks for client
    certificates signed by `custom_ca`.

    Raises:
        ServingError: the file cannot be used.
    """
    config = read_text_proto(file, "--ssl_config_file", "SSLConfig", _SSL_CONFIG)
    key, certificate = config.server_key.encode(), config.server_cert.encode()
    if not key or not certificate:
        raise invalid(f"--ssl_config_file {file}: server_key and server_cert are needed, as PEM texts")
    if config.client_verify and not config.custom_ca:
        raise invalid(
            f"--ssl_config_file {file}: client_verify needs custom_ca, which signed the clients' certificates"
        )
    return grpc.ssl_server_credentials(
        [(key, certificate)],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )
