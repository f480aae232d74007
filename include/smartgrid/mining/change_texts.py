"""What changed since the last run, in lines for people. Needs no library: the page says it, too."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def changes_text(changes: Json) -> list[str]:
    """What changed, a line each."""
    lines = []
    if changes["compared_with"] is None:
        lines.append("No earlier run to compare with.")
    else:
        lines.append(f"Compared with `{changes['compared_with']}`.")
    alone = [move for move in changes["moved"] if not move["common"]]
    common = [move for move in changes["moved"] if move["common"]]
    lines += [
        f"**{move['zone']}** went from {move['from']} to {move['to']} "
        f"({move['share_of_recent_days']:.0%} of its recent days)"
        for move in alone
    ]
    for pair in dict.fromkeys((move["from"], move["to"]) for move in common):
        zones = [move["zone"] for move in common if (move["from"], move["to"]) == pair]
        lines.append(
            f"{len(zones)} zones went from {pair[0]} to {pair[1]} with the season, as others do: {', '.join(zones)}"
        )
    if changes["new_clusters"]:
        lines.append(f"New clusters: {', '.join(changes['new_clusters'])}")
    if changes["gone_clusters"]:
        lines.append(f"Clusters that went: {', '.join(changes['gone_clusters'])}")
    if changes["compared_with"] and not changes["moved"]:
        lines.append("No zone changed its cluster.")
    lines.append(f"{changes['new_odd_days']} odd zone-days since {changes['odd_since']}.")
    lines += [f"**{zone}**: {days} odd days of its own" for zone, days in changes["odd_zones"].items()]
    lines += [f"{day}: odd in {zones} zones at once" for day, zones in changes["common_odd_days"].items()]
    return lines


def rule_changes_text(changes: Json) -> list[str]:
    if changes["compared_with"] is None:
        return ["No earlier run to compare with."]
    lines = [f"Compared with `{changes['compared_with']}`."]
    crossed = len(changes["rules"]) - len(changes["text"])
    lines += changes["text"] or ["No rule appeared or went."]
    if crossed:
        lines.append(f"{crossed} more only crossed a threshold.")
    return lines
