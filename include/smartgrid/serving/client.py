"""The seam between us and a model server: one protocol, spoken by REST or gRPC."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from smartgrid.serving.errors import ModelNotFound, NotAvailableInTime, ServerUnreachable, VersionFailed
from smartgrid.serving.version_status import VersionStatus
from smartgrid.settings import get_settings

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

DEFAULT_SIGNATURE = "serving_default"
_POLL_S = 0.2


class ServingClient(Protocol):
    """A model server. Every call has one total deadline; calls are repeated while the server cannot be reached."""

    address: str

    def predict(
        self,
        model_name: str,
        features: Array,
        *,
        version: int | None = None,
        label: str | None = None,
        signature_name: str = DEFAULT_SIGNATURE,
    ) -> Array:
        """Predict for the rows of `features` (n, ...), the one input of the signature, whatever its name; returns its
        one output, (n, ...).

        float64 in and out are the model's own to the bit. Large inputs are sent in parts to one version.

        Raises:
            ServerUnreachable, DeadlineExceeded, ModelNotFound, PredictionRejected, UnexpectedAnswer
        """
        ...

    def predict_named(
        self,
        model_name: str,
        inputs: Mapping[str, Array],
        *,
        version: int | None = None,
        label: str | None = None,
        signature_name: str = DEFAULT_SIGNATURE,
    ) -> dict[str, Array]:
        """Predict with several inputs and outputs, by name, of any shape and of any type that NumPy has (text as str
        or bytes; it comes back as bytes).

        Large inputs with the same number of rows are sent in parts to one version.

        Raises:
            ServerUnreachable, DeadlineExceeded, ModelNotFound, PredictionRejected, UnexpectedAnswer
        """
        ...

    def status(self, model_name: str) -> list[VersionStatus]:
        """The versions of the model that the server has seen, newest first.

        Raises:
            ServerUnreachable, DeadlineExceeded, ModelNotFound, UnexpectedAnswer
        """
        ...

    def wait_available(self, model_name: str, version: int | None, timeout_s: float) -> VersionStatus:
        """Wait until `version` (None: any) answers requests.

        Raises:
            VersionFailed: it could not be loaded. NotAvailableInTime.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def connect(*, rest_url: str | None = None, grpc_target: str | None = None, timeout_s: float = 30.0) -> ServingClient:
    """A client by gRPC or REST, whichever address is given.

    Given none, the settings decide: gRPC, which is much faster for many rows, unless only a REST address is set.
    """
    if rest_url is None and grpc_target is None:
        settings = get_settings()
        if settings.serving_rest_url is None or settings.serving_grpc_target is not None:
            grpc_target = settings.grpc_target
    if grpc_target is not None:
        from smartgrid.serving.grpc_client import GrpcServingClient

        return GrpcServingClient(grpc_target, timeout_s=timeout_s)
    from smartgrid.serving.rest_client import RestServingClient

    return RestServingClient(rest_url or get_settings().rest_url, timeout_s=timeout_s)


def wait_available(client: ServingClient, model_name: str, version: int | None, timeout_s: float) -> VersionStatus:
    """`ServingClient.wait_available` for any client."""
    deadline = time.monotonic() + timeout_s
    while True:
        last_seen = "nothing yet"
        try:
            statuses = client.status(model_name)
        except (ServerUnreachable, ModelNotFound) as error:
            last_seen = str(error)
        else:
            for status in statuses:
                if version not in (None, status.version):
                    continue
                if status.available:
                    return status
                if status.failed and version is not None:
                    raise VersionFailed(model_name, status.version, status.error_message)
            last_seen = ", ".join(f"version {status.version} {status.state}" for status in statuses)
        if time.monotonic() >= deadline:
            raise NotAvailableInTime(model_name, version, timeout_s, last_seen)
        time.sleep(_POLL_S)


def newest_available(client: ServingClient, model_name: str) -> int:
    """The version that answers when a request names none.

    Raises:
        ModelNotFound: none is available.
    """
    available = [status.version for status in client.status(model_name) if status.available]
    if not available:
        raise ModelNotFound(model_name, "no version is available")
    return max(available)
