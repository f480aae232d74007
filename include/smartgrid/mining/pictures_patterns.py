"""Pictures of the load patterns: shapes with bands, choice of k, zones, calendar of odd days."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from smartgrid.mining.pictures import COLOURS, INK, SOFT, hour_axis, new_figure, save
from smartgrid.mining.run_folder import RunFile
from smartgrid.mining.shapes import shape_name
from smartgrid.mining.shapes_file import ShapesFile

Json = dict[str, Any]
# Differences beyond are drawn in the same colour: one zone that trebled would leave the others pale.
FULL_COLOUR_PERCENT = 100.0
STABLE = 0.6


def draw_patterns(folder: Path, shapes: ShapesFile, odd: Json, names: list[str], run: RunFile) -> list[Path]:
    """Write the pictures; `names` are the letters of the clusters."""
    order = sorted(range(shapes.k), key=lambda place: names[place])
    drawn = [_shapes(folder / "cluster_shapes.png", shapes, names, order, run)]
    if len(shapes.curve) > 1:
        drawn.append(_curve(folder / "k_curve.png", shapes))
    drawn.append(_zones(folder / "zones.png", shapes, names, order, run))
    drawn.append(_calendar(folder / "outlier_calendar.png", shapes, odd, run))
    if odd["odd"]:
        drawn.append(_largest(folder / "largest_odd_days.png", odd))
    return drawn


def colour_of(letter: str) -> str:
    """A letter keeps its colour from run to run."""
    number = 0
    for character in letter:
        number = 26 * number + ord(character) - ord("A") + 1
    return COLOURS[(number - 1) % len(COLOURS)]


def _shapes(path: Path, shapes: ShapesFile, names: list[str], order: list[int], run: RunFile) -> Path:
    columns = min(4, shapes.k)
    rows = -(-shapes.k // columns)
    figure, grid = new_figure(3.9 * columns, 3.1 * rows + 0.5, rows, columns, sharey=True)
    hours = np.arange(24) + 0.5
    sizes, total = shapes.sizes(), len(shapes.label)
    for axes, place in zip(grid.flat, order, strict=False):
        colour = colour_of(names[place])
        axes.fill_between(
            hours, shapes.shape_low[place], shapes.shape_high[place], color=colour, alpha=0.22, linewidth=0,
            label="10th to 90th percentile",
        )  # fmt: skip
        axes.plot(hours, shapes.shape[place], color=colour, linewidth=2, label="mean of the cluster")
        axes.axhline(1, color=SOFT, linewidth=0.7, linestyle=":")
        described = shape_name(shapes.shape[place]).split(", ")
        axes.set_title(
            f"{names[place]}: {described[0]}\n{sizes[place]:,} zone-days ({sizes[place] / total:.0%})", fontsize=10
        )
        hour_axis(axes)
        axes.set_xlabel("local hour")
    for axes in grid.flat[shapes.k :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel("load / mean of the day")
    grid.flat[0].legend(fontsize=7.5, loc="best", frameon=False)
    figure.suptitle(f"Daily load shapes, {len(shapes.zones)} zones, {run.first} to {run.last}", fontsize=11, color=INK)
    return save(figure, path)


def _curve(path: Path, shapes: ShapesFile) -> Path:
    figure, grid = new_figure(6.4, 3.8)
    axes = grid[0, 0]
    for name, marker, colour in (("silhouette", "o", COLOURS[0]), ("stability", "s", COLOURS[1])):
        points = [(point["k"], point[name]) for point in shapes.curve if point[name] is not None]
        label = "silhouette (higher: better apart)" if name == "silhouette" else "stability (adjusted Rand, resampled)"
        axes.plot(*zip(*points, strict=True), marker=marker, color=colour, label=label)
    axes.axhline(STABLE, color=SOFT, linestyle="--", linewidth=0.9)
    axes.text(shapes.curve[-1]["k"], STABLE + 0.01, "least stability", ha="right", va="bottom", fontsize=8, color=SOFT)
    axes.axvline(shapes.k, color=COLOURS[2], linewidth=6, alpha=0.2)
    axes.text(
        shapes.k,
        1.03,
        f"{'kept' if shapes.kept else 'chosen'}: k = {shapes.k}",
        ha="center",
        va="bottom",
        fontsize=9,
        color=COLOURS[2],
    )
    axes.set_ylim(0, 1.1)
    axes.set_xlim(shapes.curve[0]["k"] - 0.6, shapes.curve[-1]["k"] + 0.6)
    axes.set_xticks([point["k"] for point in shapes.curve])
    axes.set_xlabel("number of clusters k")
    axes.set_ylabel("score (1 is best)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower left", frameon=False, bbox_to_anchor=(0, 0.02))
    return save(figure, path)


def _zones(path: Path, shapes: ShapesFile, names: list[str], order: list[int], run: RunFile) -> Path:
    recent_days = int(run.parameters["recent_days"])
    count = len(shapes.zones)
    figure, grid = new_figure(11, 1.4 + 0.24 * count, 1, 2, sharey=True)
    rows = np.arange(count)
    spans = ((recent_days, f"last {recent_days} days"), (None, f"whole window, {shapes.window_days} days"))
    for axes, (days, title) in zip(grid[0], spans, strict=True):
        shares = 100 * shapes.shares(days)
        left = np.zeros(count)
        for place in order:
            axes.barh(rows, shares[:, place], left=left, color=colour_of(names[place]), label=names[place], height=0.8)
            left += shares[:, place]
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("share of the days (%)")
        axes.set_xlim(0, 100)
    labels = [f"{zone} (= {shapes.same_as[zone]})" if zone in shapes.same_as else zone for zone in shapes.zones]
    grid[0, 0].set_yticks(rows, labels)
    grid[0, 0].invert_yaxis()
    handles, entries = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, entries, title="cluster", loc="outside right center", frameon=False)
    figure.suptitle("Which load pattern each zone has", fontsize=11, color=INK)
    return save(figure, path)


def _calendar(path: Path, shapes: ShapesFile, odd: Json, run: RunFile) -> Path:
    """Zones by days: colour where the day is odd, white where it could not be judged."""
    from matplotlib.colors import Normalize
    from matplotlib.patches import Patch

    count, days = len(shapes.zones), shapes.window_days
    place = {zone: row for row, zone in enumerate(shapes.zones)}
    signed = np.full((count, days), np.nan)
    known = np.zeros((count, days), dtype=bool)
    known[shapes.zone, shapes.day] = True
    by_day: Counter[date] = Counter()
    for one in odd["odd"]:
        odd_date = date.fromisoformat(one["day"])
        mean = sum(one["load_kw"]) - sum(one["usual_kw"])
        signed[place[one["zone"]], (odd_date - shapes.first).days] = (1 if mean >= 0 else -1) * 100 * one["distance"]
        by_day[odd_date] += 1
    figure, grid = new_figure(14, 2.6 + 0.23 * count, 2, 1, sharex=True, height_ratios=[1, max(1.6, 0.16 * count)])
    top, axes = grid[0, 0], grid[1, 0]
    top.bar(
        [(one_date - shapes.first).days for one_date in by_day],
        list(by_day.values()),
        width=1.0,
        color=SOFT,
        align="center",
    )
    _label_busiest(top, shapes, by_day)
    top.set_ylabel("zones odd")
    top.set_ylim(0, max(1, *by_day.values(), count * 0.4) * 1.45 if by_day else 1)
    top.set_title(
        f"Odd days by zone, {run.first} to {run.last}: {len(odd['odd'])} of {odd['judged']:,} judged zone-days",
        color=INK,
    )
    axes.imshow(np.where(known, 0.0, np.nan), aspect="auto", cmap="Greys", vmin=-0.35, vmax=3, interpolation="nearest")
    image = axes.imshow(
        signed, aspect="auto", cmap="RdBu_r", interpolation="nearest",
        norm=Normalize(-FULL_COLOUR_PERCENT, FULL_COLOUR_PERCENT),
    )  # fmt: skip
    axes.set_yticks(range(count), shapes.zones, fontsize=8)
    starts = [day for day in range(days) if shapes.date_of(day).day == 1]
    axes.set_xticks(
        starts, [f"{shapes.date_of(day):%b %Y}" for day in starts], fontsize=8, rotation=0 if days > 200 else 30
    )
    for day in starts:
        axes.axvline(day - 0.5, color="white", linewidth=0.8)
    bar = figure.colorbar(image, ax=axes, pad=0.01, fraction=0.02, extend="both")
    bar.set_label("difference from usual\n(rms, % of the usual load)", fontsize=8)
    axes.legend(
        handles=[
            Patch(color="#e6e6e6", label="as usual"),
            Patch(facecolor="white", edgecolor=SOFT, label="hours missing, not judged"),
            Patch(color="#b2182b", label="odd, more load than usual"),
            Patch(color="#2166ac", label="odd, less load than usual"),
        ],
        loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=4, fontsize=8, frameon=False,
    )  # fmt: skip
    return save(figure, path)


def _label_busiest(axes: Any, shapes: ShapesFile, by_day: Counter[date]) -> None:
    """Dates of the days on which most zones were odd, far enough apart to be read."""
    taken: list[int] = []
    for day, count in by_day.most_common(40):
        position = (day - shapes.first).days
        if count < max(3, 0.25 * len(shapes.zones)) or len(taken) == 8:
            break
        if all(abs(position - other) > shapes.window_days * 0.06 for other in taken):
            axes.annotate(
                f"{day:%d %b}", (position, count), textcoords="offset points", xytext=(0, 2), fontsize=8, color=INK,
                ha="right" if position > 0.97 * shapes.window_days else "center",
            )  # fmt: skip
            taken.append(position)


def _largest(path: Path, odd: Json) -> Path:
    """The six days furthest from usual, one of each zone, hour by hour."""
    best: dict[str, Json] = {}
    for one in sorted(odd["odd"], key=lambda one: -float(one["distance"])):
        best.setdefault(one["zone"], one)
    chosen = list(best.values())[:6]
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure, grid = new_figure(4.4 * columns, 2.9 * rows + 0.4, rows, columns)
    hours = np.arange(24) + 0.5
    for axes, one in zip(grid.flat, chosen, strict=False):
        divisor, unit = (1000.0, "MW") if max(*one["load_kw"], *one["usual_kw"]) >= 20_000 else (1.0, "kW")
        usual, load = np.array(one["usual_kw"]) / divisor, np.array(one["load_kw"]) / divisor
        axes.plot(hours, usual, color=SOFT, linewidth=1.4, linestyle="--", label="usual")
        axes.plot(hours, load, color=COLOURS[1], linewidth=2, label="measured")
        axes.fill_between(hours, usual, load, color=COLOURS[1], alpha=0.15, linewidth=0)
        axes.set_title(f"{one['zone']}, {date.fromisoformat(one['day']):%a %d %b %Y}", fontsize=10)
        axes.set_ylabel(f"load ({unit})")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("local hour")
        hour_axis(axes)
    for axes in grid.flat[len(chosen) :]:
        axes.set_visible(False)
    grid.flat[0].legend(fontsize=8, frameon=False)
    figure.suptitle("The day furthest from usual, of the zones with the largest ones", fontsize=11, color=INK)
    return save(figure, path)
