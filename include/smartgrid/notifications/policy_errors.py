"""A reviewed YAML file of this room is wrong."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from smartgrid.notifications.errors import NotificationError


class BadPolicy(NotificationError):
    """The file is missing or wrong; `problems` names each place with its reason."""

    exit_code = 2

    def __init__(self, path: Path, problems: list[str], setting: str) -> None:
        self.path, self.problems, self.setting = path, problems, setting
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{path}: {len(problems)} problem(s):\n{lines}\nCorrect the file that {setting} names.")


def problems_of(error: ValidationError) -> list[str]:
    """One line for each wrong value: where, and what is wrong with it."""
    found = []
    for detail in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        found.append(f"{where}: {message}" if where else message)
    return found
