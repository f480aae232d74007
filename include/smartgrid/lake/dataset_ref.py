"""What passes between tasks instead of data: where it is and how to know that it is the same."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from smartgrid.errors import SmartGridError
from smartgrid.lake.window import Window


class DatasetMissing(SmartGridError):
    """A referenced dataset is not where it should be."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        super().__init__(f"No dataset at {uri}. Run the step that makes it again; it is safe to repeat.")


class ChecksumMismatch(SmartGridError):
    """A dataset changed after it was referenced."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        self.uri, self.expected, self.found = uri, expected, found
        super().__init__(f"{uri} has sha256 {found[:12]}, expected {expected[:12]}: it was changed or is damaged.")


class DatasetRef(BaseModel):
    """Reference to a dataset: `uri`, `sha256` of its content, `rows`, `window` of time, `run` that made it."""

    model_config = ConfigDict(frozen=True)

    uri: str
    sha256: str
    rows: int
    window: Window
    run: str = ""
