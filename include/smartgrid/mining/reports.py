"""Reports of the mining runs as Markdown, and the short notes that fit on an Airflow run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from smartgrid.mining.change_texts import changes_text, rule_changes_text
from smartgrid.mining.run_folder import RunFile
from smartgrid.mining.shapes import shape_name
from smartgrid.mining.shapes_file import ShapesFile

Json = dict[str, Any]
NOTE_CHARACTERS = 950  # Airflow keeps 1,000 for a run
NEWEST_DAYS, MOST_ROWS = 14, 60
NOW = (
    "Cluster now: that of most of the last {recent} days; a zone stays in its cluster until another leads by 10 "
    "percentage points."
)
DAYS = (
    "Zones share the weather of a day, so p values of zone-days are too small; `days` says on how many different "
    "days a rule rests."
)
EPS = (
    "DBSCAN of each zone's days among themselves; eps is the knee of the sorted distances to the {min_samples}th "
    "neighbour, in shares of the usual load. The knee proposes how many days are odd: compare zones, look at the days."
)


def pattern_report(run: RunFile, shapes: ShapesFile, odd: Json, stored: Json, pictures: Sequence[str]) -> str:
    """The whole report of `mine_load_patterns`."""
    changes, names = stored["changes"], stored["letters"]
    sizes = shapes.sizes()
    order = sorted(range(shapes.k), key=lambda place: names[place])
    how = "as before, nearly as good as the best" if shapes.kept else "chosen by silhouette and stability"
    how = how if shapes.chosen else "given"
    newest = [one for one in odd["odd"] if date.fromisoformat(one["day"]) > run.last - timedelta(days=NEWEST_DAYS)]
    recent = run.parameters["recent_days"]
    sections = [
        f"# Load patterns {run.run_id}",
        "\n".join(
            [
                f"- local days {run.first} to {run.last} ({run.timezone}); zones: {len(shapes.zones)}",
                f"- whole zone-days clustered: {len(shapes.label):,}; missing hours bridged in: {shapes.bridged}",
                f"- zone-days left out for missing hours: {len(shapes.excluded)}",
                f"- k = {shapes.k}, {how}",
                f"- silhouette {_number(shapes.silhouette, 3)}",
                f"- stability {_number(shapes.stability, 3)} (adjusted Rand index under resampling)",
                f"- odd days: {len(odd['odd'])} of {odd['judged']:,} judged zone-days",
                *(f"- {zone} carries the readings of {same}" for zone, same in shapes.same_as.items()),
            ]
        ),
        "## What changed",
        "\n".join(f"- {line}" for line in changes_text(changes)),
        "## Clusters",
        _table(
            ("cluster", "shape", "zone-days", "share", "new"),
            (
                (
                    names[place],
                    shape_name(shapes.shape[place]),
                    f"{sizes[place]:,}",
                    f"{sizes[place] / len(shapes.label):.0%}",
                    "new" if names[place] in changes["new_clusters"] else "",
                )
                for place in order
            ),
        ),
        "## Zones",
        NOW.format(recent=recent),
        _table(("zone", "cluster now"), stored["zones"].items()),
        f"## Odd days of the last {NEWEST_DAYS} days",
        "Against the median of the same kind of day (Monday to Friday, or weekend) in the four weeks before.",
        _table(
            ("zone", "day", "difference (rms)", "why"),
            ((one["zone"], one["day"], f"{one['distance']:.0%}", one["text"]) for one in newest[-MOST_ROWS:]),
        )
        or "None.",
        "## How eps was chosen",
        EPS.format(min_samples=run.parameters["min_samples"]),
        _table(
            ("zone", "days judged", "eps", "odd", "remark"),
            ((one["zone"], one["days"], _number(one["eps"], 3), one["odd"], one["why_not"]) for one in odd["zones"]),
        ),
        _pictures(pictures),
        _origin(run),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def pattern_note(run: RunFile, shapes: ShapesFile, odd: Json, stored: Json) -> str:
    """At most 950 characters for the Airflow run."""
    lines = [f"**k = {shapes.k}**, {len(odd['odd'])} odd days in `{run.run_id}`.", ""]
    lines += [f"- {line}" for line in changes_text(stored["changes"])]
    return _cut(lines)


def rule_report(run: RunFile, found: Json, stored: Json, pictures: Sequence[str]) -> str:
    """The whole report of `mine_event_rules`."""
    summary = found["summary"]
    reported = [rule for rule in found["rules"] if rule["reported"]]
    known = [rule for rule in found["rules"] if rule["relation"] == "by construction"]
    partial = [f"- **partial**: {summary['partial_reason']}"] if summary["partial"] else []
    sections = [
        f"# Event rules {run.run_id}",
        "\n".join(
            [
                f"- local days {run.first} to {run.last} ({run.timezone})",
                f"- transactions ({summary['place']}, {summary['window_hours']} h): {summary['transactions']:,}",
                f"- transactions without any event: {summary['empty_transactions']:,}",
                f"- frequent itemsets (support at least {summary['min_support']:.2%}): {summary['itemsets']:,}",
                "- Apriori and FP-Growth agree",
                f"- rules tried: {summary['rules_tried']:,}; not redundant: {summary['rules']:,}",
                f"- reported: {len(reported)} rules",
                f"- reported: lift above 1, q value at most {summary['max_q_value']:g}",
                f"- reported: on at least {summary['min_days']} different days, and not true by construction",
                *partial,
            ]
        ),
        "## What changed",
        "\n".join(f"- {line}" for line in rule_changes_text(stored["changes"])),
        "## Rules",
        _rules(reported) or "None.",
        DAYS,
        "## True by construction",
        "Events of the same measurements at the same place. They say nothing new and are never reported.",
        _rules(known[:15]) or "None.",
        "## Events",
        _table(("event", "transactions"), summary["events"].items()),
        _pictures(pictures),
        _origin(run),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def rule_note(run: RunFile, found: Json, stored: Json) -> str:
    """At most 950 characters for the Airflow run."""
    summary = found["summary"]
    lines = [f"**{summary['reported']} rules** of {summary['rules_tried']:,} tried in `{run.run_id}`.", ""]
    lines += [f"- {line}" for line in rule_changes_text(stored["changes"])]
    for rule in [rule for rule in found["rules"] if rule["reported"]][:5]:
        lines.append(
            f"- {' + '.join(rule['antecedent'])} -> {' + '.join(rule['consequent'])}: {rule['confidence']:.0%}, "
            f"lift {rule['lift']:.1f}"
        )
    return _cut(lines)


def _rules(rules: list[Json]) -> str:
    heads = ("where", "also", "confidence", "lift", "times", "support", "q value", "days", "zones", "remark")
    return _table(
        heads,
        (
            (
                " + ".join(rule["antecedent"]),
                " + ".join(rule["consequent"]),
                f"{rule['confidence']:.0%}",
                f"{rule['lift']:.2f}",
                rule["count"],
                f"{rule['support']:.2%}",
                f"{rule['q_value']:.1e}",
                rule["days"],
                rule["places"],
                f"{rule['relation']}{': ' + rule['why'] if rule['why'] else ''}",
            )
            for rule in rules
        ),
    )


def _pictures(names: Sequence[str]) -> str:
    shown = "\n\n".join(f"![{name.removesuffix('.png').replace('_', ' ')}](plots/{name})" for name in names)
    return f"## Pictures\n\n{shown}" if shown else ""


def _origin(run: RunFile) -> str:
    kept = {name: value for name, value in run.parameters.items() if name != "vocabulary"}
    rows = [
        ("data", run.dataset.uri), ("sha256", run.dataset.sha256), ("readings", f"{run.dataset.rows:,}"),
        ("window (UTC)", str(run.dataset.window)), *kept.items(),
    ]  # fmt: skip
    return "## Data and parameters\n\n" + _table(("what", "value"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *lines])


def _cell(value: object) -> str:
    return ("" if value is None else str(value)).replace("|", "\\|").replace("\n", " ")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _cut(lines: list[str]) -> str:
    text = "\n".join(lines)
    return text if len(text) <= NOTE_CHARACTERS else text[: NOTE_CHARACTERS - 4].rsplit("\n", 1)[0] + "\n..."
