"""What every picture of a mining run starts and ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DPI = 110
# Colours that stay apart for colour-blind readers (Okabe and Ito 2008), in the order of the clusters.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F", "#8C564B", "#B2A100", "#332288")
INK, SOFT = "#18232e", "#5a6b7b"


def new_figure(width_in: float, height_in: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Any, Any]:
    """A figure and its axes as an array (rows, columns)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def save(figure: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)
    return path


def hour_axis(axes: Any) -> None:
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 6))
    axes.grid(alpha=0.3)
