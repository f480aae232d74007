"""grpc.health.v1.Health: for probes that know only this protocol."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator

from tf_serving.embedded.grpc_app import Call, Methods
from tf_serving.embedded.status import Code, ServingError

# HealthCheckResponse{status}: too small to need generated code.
_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"
_LOOK_S = 0.1


def health_methods(stopping: threading.Event) -> Methods:
    """SERVING for the server as a whole, the only name that is known, until `stopping`."""

    def check(request: bytes, _: Call) -> bytes:
        if _names_a_service(request):
            raise ServingError(Code.NOT_FOUND, "service name unknown")
        return _NOT_SERVING if stopping.is_set() else _SERVING

    async def watch(request: bytes) -> AsyncGenerator[bytes, None]:
        yield _SERVICE_UNKNOWN if _names_a_service(request) else _SERVING
        while not stopping.is_set():
            await asyncio.sleep(_LOOK_S)
        yield _NOT_SERVING

    return Methods(answering={"/grpc.health.v1.Health/Check": check}, streaming={"/grpc.health.v1.Health/Watch": watch})


def _names_a_service(request: bytes) -> bool:
    """Whether HealthCheckRequest{service} is not empty: its field 1 with a length above 0."""
    return len(request) > 2 and request[0] == 0x0A and request[1] > 0
