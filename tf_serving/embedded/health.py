"""grpc.health.v1.Health: for probes that know only this protocol."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc

# HealthCheckResponse{status}: too small to need generated code.
_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"
_WATCH_S = 1.0


def health_handler(stopping: threading.Event) -> Any:
    """The service: SERVING for the server as a whole, the only name that it knows, until `stopping`."""

    def check(request: bytes, context: Any) -> bytes:
        if _names_a_service(request):
            context.abort(grpc.StatusCode.NOT_FOUND, "service name unknown")
        return _NOT_SERVING if stopping.is_set() else _SERVING

    def watch(request: bytes, context: Any) -> Iterator[bytes]:
        if _names_a_service(request):
            yield _SERVICE_UNKNOWN
        else:
            yield _SERVING
        while context.is_active():
            if stopping.wait(_WATCH_S):
                yield _NOT_SERVING
                return

    return grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health",
        {
            "Check": grpc.unary_unary_rpc_method_handler(check),
            "Watch": grpc.unary_stream_rpc_method_handler(watch),
        },
    )


def _names_a_service(request: bytes) -> bool:
    """Whether HealthCheckRequest{service} is not empty: its field 1 with a length above 0."""
    return len(request) > 2 and request[0] == 0x0A and request[1] > 0
