"""Where and how gRPC is served: ports, sockets, and what the channel arguments mean for the server under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tf_serving.embedded.grpc_app import LARGEST_MESSAGE, GrpcLimits
from tf_serving.embedded.status import invalid

# What gRPC's own servers do: no end to a connection, to a slow answer, to the number of calls or of their headers.
_DEFAULTS: dict[str, Any] = {
    "http1": False,
    "grpc": True,
    "date_header": False,
    "timeout_handshake": 120.0,
    "timeout_keep_alive": 0.0,
    "timeout_request_header": 0.0,
    "h2_timeout_response_stall": 0.0,
    "h2_timeout_write": 0.0,
    "limit_request_fields": 0,
    "max_concurrent_streams": 2**31 - 1,
    "h2_initial_stream_window_size": 2**24,
    "h2_initial_connection_window_size": 2**26,
    "h2_max_inbound_frame_size": 2**20,
}
_COMPRESSION = {"0": b"", "1": b"deflate", "2": b"gzip"}


def _at_least(smallest: int, largest: int = 2**31 - 1) -> Callable[[int], int]:
    return lambda value: min(max(value, smallest), largest) if value >= 0 else largest


def _seconds(milliseconds: int) -> float:
    """Of a time limit, which is none where the largest integer says so."""
    return 0.0 if not 0 <= milliseconds < 2**31 - 1 else milliseconds / 1000


# Channel argument -> option of the server (h2corn.Config), and how its value is to be read.
_OPTIONS: Mapping[str, tuple[str, Callable[[int], Any]]] = {
    "grpc.max_concurrent_streams": ("max_concurrent_streams", _at_least(1)),
    "grpc.max_connection_idle_ms": ("timeout_keep_alive", _seconds),
    "grpc.server_handshake_timeout_ms": ("timeout_handshake", _seconds),
    "grpc.max_metadata_size": ("h2_max_header_list_size", _at_least(1)),
    "grpc.http2.max_frame_size": ("h2_max_inbound_frame_size", _at_least(2**14, 2**24 - 1)),
    "grpc.http2.lookahead_bytes": ("h2_initial_stream_window_size", _at_least(2**16 - 1)),
}
_LIMITS = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
_ENCODING = "grpc.default_compression_algorithm"
HONOURED = (*_OPTIONS, *_LIMITS, _ENCODING)


@dataclass(frozen=True, slots=True)
class ChannelArguments:
    """What they say to the HTTP/2 server and about messages; `idle` are those without effect here."""

    options: Mapping[str, Any] = field(default_factory=lambda: dict(_DEFAULTS))
    limits: GrpcLimits = field(default_factory=GrpcLimits)
    idle: tuple[str, ...] = ()


def channel_arguments(text: str) -> ChannelArguments:
    """`key=value` pairs, separated by commas.

    Raises:
        ServingError: a pair without "=", or a value that its key cannot have.
    """
    given: dict[str, str] = {}
    for argument in filter(None, text.split(",")):
        key, equals, value = argument.partition("=")
        if not equals:
            raise invalid(f"--grpc_channel_arguments: {argument!r} is not key=value")
        given[key.strip()] = value.strip()
    options = dict(_DEFAULTS)
    for key, (option, read) in _OPTIONS.items():
        if key in given:
            options[option] = read(_integer(key, given[key]))
    received, sent = (_at_least(0, LARGEST_MESSAGE)(_integer(key, given.get(key, "-1"))) for key in _LIMITS)
    algorithm = given.get(_ENCODING, "0")
    if algorithm not in _COMPRESSION:
        raise invalid(f"--grpc_channel_arguments: {_ENCODING} must be 0 (none), 1 (deflate) or 2 (gzip)")
    limits = GrpcLimits(received, sent, _COMPRESSION[algorithm])
    return ChannelArguments(options, limits, tuple(key for key in given if key not in HONOURED))


def _integer(key: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise invalid(f"--grpc_channel_arguments: {key} must be a whole number, not {value!r}") from None
