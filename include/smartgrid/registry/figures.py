"""What every plot starts and ends with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

DPI = 90
WINNER_COLOUR, OTHER_COLOUR = "tab:orange", "tab:grey"


def new_figure(width_in: float, height_in: float, columns: Sequence[float] = (1.0,)) -> tuple[Any, Any]:
    """A figure and its axes (a list where there are several columns of these widths)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, len(columns), width_ratios=list(columns))


def save(figure: Any, path: Path) -> Path:
    figure.savefig(path, dpi=DPI)
    return path
