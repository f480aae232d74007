"""What can go wrong around the processes of the platform."""

from __future__ import annotations

from pathlib import Path

from smartgrid.errors import SmartGridError


class PortsTaken(SmartGridError):
    """Other programs listen where the platform should; `taken` maps a setting to (port, who)."""

    def __init__(self, taken: dict[str, tuple[int, str]]) -> None:
        self.taken = taken
        lines = "\n".join(
            f"  - {name} ({port}) is taken by {who}; set {name} to a free port" for name, (port, who) in taken.items()
        )
        super().__init__(f"{len(taken)} port(s) are not free:\n{lines}")


class SupervisorFailed(SmartGridError):
    """The process supervisor did not start or does not answer."""

    def __init__(self, problem: str, log: Path) -> None:
        self.problem, self.log = problem, log
        super().__init__(f"The process supervisor failed: {problem}. Its log is {log}.")


class PreparationFailed(SmartGridError):
    """A command that has to succeed before the platform can start did not."""

    def __init__(self, title: str, exit_code: int, output: str) -> None:
        self.title, self.returned, self.output = title, exit_code, output
        super().__init__(f"{title} ended with exit code {exit_code}:\n{output}")


class NotHealthy(SmartGridError):
    """Processes did not become healthy in time; `problems` maps a process to what it answered."""

    def __init__(self, problems: dict[str, str], waited_s: float, log_folder: Path) -> None:
        self.problems, self.waited_s = problems, waited_s
        lines = "\n".join(f"  - {name}: {problem}" for name, problem in problems.items())
        super().__init__(f"Not healthy after {waited_s:.0f} s (logs in {log_folder}):\n{lines}")


class AirflowUnreachable(SmartGridError):
    """Airflow's API did not answer for longer than a restart takes."""

    def __init__(self, url: str, waited_s: float, problem: str) -> None:
        self.url, self.waited_s, self.problem = url, waited_s, problem
        super().__init__(f"{url} did not answer for {waited_s:.0f} s ({problem}). See `make status`.")


class AirflowRefused(SmartGridError):
    """Airflow's API answered with an error that repeating will not change."""

    def __init__(self, url: str, status: int, detail: str) -> None:
        self.url, self.status, self.detail = url, status, detail
        super().__init__(f"{url} answered {status}: {detail}")


class PipelineFailed(SmartGridError):
    """A stage of the pipeline failed after all its retries, or ended without its result."""

    def __init__(self, dag_id: str, problem: str, log_tail: str = "", page: str = "") -> None:
        self.dag_id, self.problem, self.log_tail, self.page = dag_id, problem, log_tail, page
        tail = f"\n--- end of the task's log ---\n{log_tail}" if log_tail else ""
        link = f"\nIn Airflow: {page}" if page else ""
        super().__init__(f"{dag_id}: {problem}{tail}{link}\nRepair the cause and run `make run` again.")
