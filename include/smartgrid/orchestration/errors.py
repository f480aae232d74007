"""How a step can fail as an Airflow task. The last lines of the step's standard error are in the message."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from smartgrid.errors import SmartGridError

MAX_RESULT_BYTES = 8 * 1024


def _told(tail: list[str]) -> str:
    return "\n" + "\n".join(tail) if tail else " It wrote nothing to standard error."


class StepFailed(SmartGridError, AirflowException):
    """The step ended with an error; Airflow retries it."""

    def __init__(self, step: str, exit_code: int, stderr_tail: list[str]) -> None:
        self.step, self.code, self.stderr_tail = step, exit_code, stderr_tail
        super().__init__(f"Step {step} ended with exit code {exit_code}. Its last lines:{_told(stderr_tail)}")


class StepKilled(StepFailed):
    """A signal ended the step: it was cancelled, or the machine ran out of memory."""

    def __init__(self, step: str, exit_code: int, stderr_tail: list[str]) -> None:
        super().__init__(step, exit_code, stderr_tail)
        self.signal = exit_code - 128
        hint = " SIGKILL often means that memory ran out." if self.signal == 9 else ""
        self.args = (f"Step {step} was ended by signal {self.signal}.{hint} Its last lines:{_told(stderr_tail)}",)


class StepMisconfigured(SmartGridError, AirflowFailException):
    """The step refused its settings or arguments (exit code 2): a retry cannot help."""

    def __init__(self, step: str, stderr_tail: list[str]) -> None:
        self.step, self.stderr_tail = step, stderr_tail
        super().__init__(f"Step {step} refused its settings or arguments; correct them:{_told(stderr_tail)}")


class StepRefused(SmartGridError, AirflowFailException):
    """The step did its work, and its verdict is no (exit code 3): a retry would only hide it."""

    def __init__(self, step: str, stderr_tail: list[str]) -> None:
        self.step, self.stderr_tail = step, stderr_tail
        super().__init__(f"Step {step} stopped the pipeline:{_told(stderr_tail)}")


class StepResultMissing(SmartGridError, AirflowException):
    """The step ended well but gave no JSON object as its result."""

    def __init__(self, step: str, where: str) -> None:
        self.step, self.where = step, where
        super().__init__(f"Step {step} ended without a JSON object in {where}. Run `smartgrid step {step}` by hand.")


class StepResultTooLarge(SmartGridError, AirflowFailException):
    """Results are references, never data: XCom lives in Airflow's database."""

    def __init__(self, step: str, size: int) -> None:
        self.step, self.size = step, size
        super().__init__(
            f"Step {step} returned {size} bytes, the limit is {MAX_RESULT_BYTES}. "
            "Write the data to the lake and return a reference."
        )
