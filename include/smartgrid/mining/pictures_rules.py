"""Pictures of the event rules: a scatter of support, confidence and lift, and a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from smartgrid.mining.pictures import COLOURS, INK, SOFT, new_figure, save
from smartgrid.mining.run_folder import RunFile

Json = dict[str, Any]
# So many rules are named in a picture; beyond, names would cover each other.
NAMED = 12
MARKERS = {"new": ("o", "new"), "expected": ("s", "expected"), "by construction": ("x", "true by construction")}


def draw_rules(folder: Path, found: Json, run: RunFile) -> list[Path]:
    """Write the pictures that there are rules for."""
    drawn = []
    if found["rules"]:
        drawn.append(_scatter(folder / "rules_scatter.png", found, run))
    reported = [rule for rule in found["rules"] if rule["reported"]]
    if reported:
        drawn.append(_graph(folder / "rules_graph.png", reported, found, run))
    drawn.append(_counts(folder / "events.png", found, run))
    return drawn


def rule_text(rule: Json) -> str:
    return f"{' + '.join(rule['antecedent'])} → {' + '.join(rule['consequent'])}"


def transactions_word(summary: Json) -> str:
    """What one transaction is, in words."""
    hours = summary["window_hours"]
    window = "days" if hours == 24 else f"windows of {hours} h"
    return f"zone-{window}" if summary["place"] == "zone" else window


def _scatter(path: Path, found: Json, run: RunFile) -> Path:
    from matplotlib.colors import LogNorm

    rules = found["rules"]
    figure, grid = new_figure(13, 5.4, 1, 2, width_ratios=[1.25, 1])
    axes, key = grid[0]
    lift = np.array([max(rule["lift"], 0.01) for rule in rules])
    least, most = min(1.0, float(lift.min())), max(2.0, float(lift.max()))
    norm = LogNorm(least, most)
    image = None
    for relation, (marker, label) in MARKERS.items():
        chosen = [place for place, rule in enumerate(rules) if rule["relation"] == relation]
        if not chosen:
            continue
        image = axes.scatter(
            [100 * rules[place]["support"] for place in chosen],
            [100 * rules[place]["confidence"] for place in chosen],
            c=lift[chosen], norm=norm, cmap="viridis_r", marker=marker, s=46 if marker != "x" else 24,
            alpha=0.9 if marker != "x" else 0.45, label=f"{label} ({len(chosen)})",
        )  # fmt: skip
    named = [rule for rule in rules if rule["reported"]][:NAMED]
    for number, rule in enumerate(named, start=1):
        axes.annotate(
            str(number), (100 * rule["support"], 100 * rule["confidence"]), textcoords="offset points",
            xytext=(6, 5), fontsize=9, fontweight="bold", color=INK,
        )  # fmt: skip
    axes.set_xscale("log")
    from matplotlib.ticker import LogFormatter, NullFormatter

    axes.xaxis.set_major_formatter(LogFormatter(labelOnlyBase=False))
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = min(r["support"] for r in rules), max(r["support"] for r in rules)
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if 0.7 * 100 * low <= tick <= 140 * high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel(f"support (% of {transactions_word(found['summary'])})")
    axes.set_ylabel("confidence (%)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False, loc="best", title="rules", title_fontsize=8)
    if image is not None:
        bar = figure.colorbar(image, ax=axes, pad=0.01)
        bar.set_label("lift (times as often as by chance)")
        ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20, 50, 100, 200) if least <= tick <= most]
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        bar.minorticks_off()
    key.axis("off")
    if named:
        lines = [_key(number, rule) for number, rule in enumerate(named, start=1)]
        more = found["summary"]["reported"] - len(named)
        text = "\n".join(lines) + (f"\n    and {more} more" if more > 0 else "")
    else:
        text = "No rule is significant on enough days\nand not true by construction."
    key.text(0, 1, text, transform=key.transAxes, va="top", fontsize=8.5, color=INK, linespacing=1.35)
    figure.suptitle(f"Event rules, {run.first} to {run.last}", fontsize=11, color=INK)
    return save(figure, path)


def _key(number: int, rule: Json) -> str:
    """Two lines for one named rule: what it says, and what it rests on."""
    times = f"{rule['confidence']:.0%} of {rule['count'] / rule['confidence']:,.0f}"
    rests = f"{times}, lift {rule['lift']:.1f}, {rule['days']} days, {rule['relation']}"
    return f"{number:>2}  {rule_text(rule)}\n     {rests}"


def _graph(path: Path, reported: list[Json], found: Json, run: RunFile) -> Path:
    """Events on a circle; an arrow says that where one happens the other does. Sets of two events meet in a dot."""
    chosen = reported[:NAMED]
    nodes = sorted({item for rule in chosen for item in (*rule["antecedent"], *rule["consequent"])})
    angle = {node: np.pi / 2 - 2 * np.pi * place / len(nodes) for place, node in enumerate(nodes)}
    at = {node: np.array([np.cos(of), np.sin(of)]) for node, of in angle.items()}
    figure, grid = new_figure(8.6, 6.6)
    axes = grid[0, 0]
    from matplotlib.colors import LogNorm
    from matplotlib.pyplot import get_cmap  # only the table of colours: no figure is made by pyplot

    most = max(2.0, *(rule["lift"] for rule in chosen))
    norm, colours = LogNorm(1, most), get_cmap("viridis_r")
    for number, rule in enumerate(chosen):
        colour, width = colours(norm(max(1.0, rule["lift"]))), 0.8 + 3.5 * rule["confidence"]
        ends = [at[item] for item in rule["consequent"]]
        if len(rule["antecedent"]) == 1 and len(ends) == 1:
            _arrow(axes, at[rule["antecedent"][0]], ends[0], colour, width, 13)
            continue
        # A dot where the events of a set meet, towards the middle so that it is nobody's node; no two rules share one.
        middle = 0.45 * np.mean([at[item] for item in (*rule["antecedent"], *rule["consequent"])], axis=0)
        meet = middle + 0.12 * np.array([np.cos(2.4 * number), np.sin(2.4 * number)])
        for item in rule["antecedent"]:
            axes.plot(*np.array([at[item], meet]).T, color=colour, linewidth=width * 0.6, alpha=0.8, zorder=1)
        axes.scatter(*meet, color=[colour], s=24, zorder=2)
        for end in ends:
            _arrow(axes, meet, end, colour, width, 2)
    counts = found["summary"]["events"]
    for node in nodes:
        size = 140 + 900 * counts.get(node, 0) / max(1, *counts.values())
        axes.scatter(*at[node], s=size, color="#dbe9f4", edgecolor=COLOURS[0], zorder=3)
        side = "left" if at[node][0] > 0.15 else "right" if at[node][0] < -0.15 else "center"
        offset = at[node] * 1.16
        axes.text(*offset, node, ha=side, va="center", fontsize=10, color=INK, zorder=4)
    axes.set_xlim(-1.9, 1.9)
    axes.set_ylim(-1.35, 1.35)
    axes.axis("off")
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(norm, colours), ax=axes, fraction=0.03, pad=0.01)
    bar.set_label("lift (times as often as by chance)")
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100) if tick <= most]
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.minorticks_off()
    shown = f"the {len(chosen)} strongest of {len(reported)}" if len(chosen) < len(reported) else f"{len(chosen)}"
    axes.set_title(
        f"Event rules, {run.first} to {run.last} ({shown})\n"
        "width of an arrow: confidence; size of a circle: how often the event is",
        fontsize=10, color=INK,
    )  # fmt: skip
    return save(figure, path)


def _arrow(axes: Any, begin: Any, end: Any, colour: Any, width: float, gap: float) -> None:
    axes.annotate(
        "", xy=tuple(end), xytext=tuple(begin), zorder=1,
        arrowprops={
            "arrowstyle": "-|>", "color": colour, "linewidth": width, "shrinkA": gap, "shrinkB": 15,
            "connectionstyle": "arc3,rad=0.12", "mutation_scale": 15,
        },
    )  # fmt: skip


def _counts(path: Path, found: Json, run: RunFile) -> Path:
    counts = list(found["summary"]["events"].items())[:20]
    figure, grid = new_figure(8, 1.3 + 0.3 * len(counts))
    axes = grid[0, 0]
    names, values = [name for name, _ in counts], [value for _, value in counts]
    total = found["summary"]["transactions"]
    bars = axes.barh(names, values, color=COLOURS[0])
    axes.bar_label(bars, [f"{value:,} ({value / total:.1%})" for value in values], padding=3, fontsize=8, color=SOFT)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    word = transactions_word(found["summary"])
    axes.set_xlabel(f"{word} with the event, of {total:,}")
    axes.set_title(f"Events, {run.first} to {run.last}", fontsize=11, color=INK)
    return save(figure, path)
