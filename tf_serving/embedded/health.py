"""grpc.health.v1.Health/Check: SERVING, for probes that know only this protocol."""

from __future__ import annotations

from typing import Any

import grpc

_SERVING = b"\x08\x01"  # HealthCheckResponse{status: SERVING}


def health_handler() -> Any:
    """The service as a generic handler: its two messages are too small to need generated code."""
    return grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(lambda _request, _context: _SERVING)}
    )
