"""The root of every error that this project raises on purpose.

One class per failure. The constructor takes facts, keeps them as attributes and builds a message that tells the
user what to do. Subclasses live in the room that raises them.
"""

from __future__ import annotations


class SmartGridError(Exception):
    """Root of the family.

    `exit_code` is what the command line ends with. Pipelines retry 1; they do not retry 2 (wrong settings or
    arguments) and 3 (a verdict that a retry would only hide).
    """

    exit_code: int = 1


class ConfigurationError(SmartGridError):
    """One or more settings are wrong; `problems` names each with its reason."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{len(problems)} setting(s) need attention:\n{lines}")


class WindowError(SmartGridError):
    """A time window is empty, reversed or has no time zone."""

    exit_code = 2

    def __init__(self, start: object, end: object, problem: str) -> None:
        self.start, self.end, self.problem = start, end, problem
        super().__init__(f"Window {start} .. {end}: {problem}. Give start before end, both with a time zone.")


class NothingToDo(SmartGridError):
    """Not a failure: there is no new data to work on. Steps report it as skipped."""

    exit_code = 0

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
