"""What the server says about one version."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """`state` is START, LOADING, AVAILABLE, UNLOADING or END; END with an error: the version could not be loaded."""

    version: int
    state: str
    error_code: str = "OK"
    error_message: str = ""

    @property
    def available(self) -> bool:
        return self.state == "AVAILABLE"

    @property
    def failed(self) -> bool:
        return self.state == "END" and self.error_code != "OK"
