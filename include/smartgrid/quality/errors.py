"""Failures of the validation."""

from __future__ import annotations

from smartgrid.errors import SmartGridError


class PipelineStopped(SmartGridError):
    """A batch must not reach the lake; `cause` says why, `facts` in figures. The batch is recorded as stopped."""

    exit_code = 3  # a verdict: a retry would find the batch stopped, and look like success

    def __init__(self, batch_id: str, cause: str, facts: dict[str, object]) -> None:
        self.batch_id, self.cause, self.facts = batch_id, cause, facts
        figures = ", ".join(f"{name}={value}" for name, value in facts.items())
        super().__init__(
            f"Batch {batch_id} is stopped: {cause} ({figures}). Nothing of it reached the lake. "
            f"See `smartgrid quality show --batch {batch_id}`; correct the source or the limits, then run "
            f"`smartgrid validate --batch {batch_id}`."
        )


class AccountingError(SmartGridError):
    """Rows were lost or invented: accepted + rejected differ from ingested. Nothing is written."""

    def __init__(self, batch_id: str, ingested: int, accepted: int, rejected: int) -> None:
        self.batch_id, self.ingested, self.accepted, self.rejected = batch_id, ingested, accepted, rejected
        super().__init__(
            f"Batch {batch_id}: {accepted} accepted + {rejected} rejected rows do not add up to {ingested} ingested. "
            "Nothing was written; this is a defect of the validation, please report it."
        )


class BatchMissing(SmartGridError):
    """No batch has this id."""

    exit_code = 2

    def __init__(self, batch_id: str) -> None:
        self.batch_id = batch_id
        super().__init__(f"No batch {batch_id!r}. `smartgrid quality list` shows the batches.")


class QuarantineEmpty(SmartGridError):
    """The batch has no quarantined rows."""

    exit_code = 2

    def __init__(self, batch_id: str) -> None:
        self.batch_id = batch_id
        super().__init__(f"Batch {batch_id} has no quarantined rows: there is nothing to show, export or replay.")


class CorrectionUnreadable(SmartGridError):
    """A file of corrected rows does not have the columns of the export, or names rows that are not in quarantine."""

    exit_code = 2

    def __init__(self, path: str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(
            f"{path}: {problem}. Start from `smartgrid quality export --batch ID --csv FILE`, "
            "change the values and keep the column row_number."
        )


class ExpectationsMissing(SmartGridError):
    """The reviewed Great Expectations project is not where the package expects it."""

    exit_code = 2

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path} is missing. Restore it with `smartgrid quality suite --write`.")
