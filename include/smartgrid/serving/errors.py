"""What can go wrong between us and the model server."""

from __future__ import annotations

from smartgrid.errors import SmartGridError


class ServingError(SmartGridError):
    """Root of this room's errors."""


class ServerUnreachable(ServingError):
    """No connection, or the server says that it is not ready."""

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(f"The model server at {address} cannot be reached ({reason}). Is it running?")


class DeadlineExceeded(ServingError):
    """No answer in time."""

    def __init__(self, address: str, timeout_s: float) -> None:
        self.address, self.timeout_s = address, timeout_s
        super().__init__(f"The model server at {address} gave no answer within {timeout_s:g} s.")


class ModelNotFound(ServingError):
    """The server does not serve this model or version now."""

    def __init__(self, model_name: str, server_text: str) -> None:
        self.model_name, self.server_text = model_name, server_text
        super().__init__(f"Model {model_name} is not served: {server_text}")


class PredictionRejected(ServingError):
    """The server refused the request; `server_text` says why."""

    def __init__(self, model_name: str, code: str, server_text: str) -> None:
        self.model_name, self.code, self.server_text = model_name, code, server_text
        super().__init__(f"Model {model_name} refused the request ({code}): {server_text}")


class UnexpectedAnswer(ServingError):
    """What answers is no TensorFlow Serving, or the model does not have the signature we need."""

    def __init__(self, address: str, detail: str) -> None:
        self.address, self.detail = address, detail
        super().__init__(f"{address} answered what a model server would not: {detail}")


class VersionFailed(ServingError):
    """The server could not load this version."""

    def __init__(self, model_name: str, version: int, server_text: str) -> None:
        self.model_name, self.version, self.server_text = model_name, version, server_text
        super().__init__(f"Version {version} of model {model_name} could not be loaded: {server_text}")


class NotAvailableInTime(ServingError):
    """The version did not become available within the time given."""

    def __init__(self, model_name: str, version: int | None, timeout_s: float, last_seen: str) -> None:
        self.model_name, self.version, self.timeout_s, self.last_seen = model_name, version, timeout_s, last_seen
        what = f"Version {version} of model {model_name}" if version is not None else f"Model {model_name}"
        super().__init__(f"{what} was not available after {timeout_s:g} s (last seen: {last_seen}).")
