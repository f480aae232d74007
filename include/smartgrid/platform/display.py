"""Progress of `make run` on a terminal or in a log: one line for each thing that happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

STYLES = {"success": "green", "failed": "red", "skipped": "yellow", "up_for_retry": "yellow", "running": "cyan"}


class ConsoleDisplay:
    """Lines as they happen; on a terminal also a spinner with the stage."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status = console.status("")

    @contextmanager
    def spinner(self) -> Iterator[None]:
        """Show the spinner, where the console can, while the block runs."""
        if self.console.is_terminal:
            with self._status:
                yield
        else:
            yield

    def step(self, text: str) -> None:
        self.console.print(f"[bold]·[/bold] {text}", highlight=False)
        self._status.update(text)

    def stage(self, title: str, dag_id: str) -> None:
        self.step(f"{title} [dim]({dag_id})[/dim]")

    def passed_over(self, title: str) -> None:
        self.console.print(f"[green]✓[/green] {title}: already there", highlight=False)

    def task(self, name: str, state: str, elapsed_s: float) -> None:
        style = STYLES.get(state, "dim")
        # Escaped: `train [tpot]` is not markup.
        shown = name.replace("[", "\\[")
        self.console.print(f"    {_clock(elapsed_s)}  {shown} [{style}]{state}[/{style}]", highlight=False)

    def note(self, text: str) -> None:
        self.console.print(f"    {text}", highlight=False)

    def done(self, title: str, elapsed_s: float) -> None:
        self.console.print(f"[green]✓[/green] {title} in {_clock(elapsed_s)}", highlight=False)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
