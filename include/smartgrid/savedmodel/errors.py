"""What can go wrong between a fitted model and its SavedModel."""

from __future__ import annotations

from pathlib import Path

from smartgrid.errors import SmartGridError


class NotExportable(SmartGridError):
    """A part of a model has no exact translation to TensorFlow operations."""

    def __init__(self, estimator: str, reason: str) -> None:
        self.estimator, self.reason = estimator, reason
        super().__init__(
            f"{estimator} cannot be exported as a SavedModel: {reason}. Leave it out of the search space, or add a "
            "compiler for it in smartgrid/savedmodel."
        )


class ExportParityError(SmartGridError):
    """The exported model does not give the numbers of the model it was made from."""

    def __init__(
        self, largest: float, allowed: float, row: int, kind: str, expected_kw: float, exported_kw: float
    ) -> None:
        self.largest, self.allowed, self.row, self.kind = largest, allowed, row, kind
        self.expected_kw, self.exported_kw = expected_kw, exported_kw
        super().__init__(
            f"The SavedModel differs from its model by {largest:.3g} (relative; {allowed:g} is allowed): row {row} "
            f"({kind}) is {exported_kw!r} kW instead of {expected_kw!r} kW. It was not written."
        )


class SavedModelDamaged(SmartGridError):
    """The files of a SavedModel are not those that were exported."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path}: {problem}. Export or download it again.")
