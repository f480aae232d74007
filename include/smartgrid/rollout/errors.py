"""What can go wrong when a version is promoted."""

from __future__ import annotations

from smartgrid.errors import SmartGridError


class PromotionAborted(SmartGridError):
    """A version was not promoted; what served before still serves."""

    def __init__(self, model_name: str, version: int, reason: str) -> None:
        self.model_name, self.version, self.reason = model_name, version, reason
        super().__init__(
            f"Version {version} of {model_name} was not promoted and was taken back: {reason} Nothing else changed; "
            "repeat the step once the cause is gone."
        )


class RefusedByGates(SmartGridError):
    """A version was asked for whose tournament ended with a refusal."""

    exit_code = 3

    def __init__(self, model_name: str, version: int, run_id: str) -> None:
        self.model_name, self.version, self.run_id = model_name, version, run_id
        super().__init__(
            f"Version {version} of {model_name} did not pass its gates and is not promoted. The report of run {run_id} "
            "says which; change the gates' file if they are wrong, and hold the tournament again."
        )


class ServedPredictionsDiffer(SmartGridError):
    """The model server gives other numbers than the model did before it was exported."""

    def __init__(self, version: int, row: int, expected_kw: float, served_kw: float) -> None:
        self.version, self.row, self.expected_kw, self.served_kw = version, row, expected_kw, served_kw
        super().__init__(
            f"The server's version {version} answers {served_kw!r} kW to known row {row} instead of {expected_kw!r} kW."
        )
