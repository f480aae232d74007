"""What changed since the last run: clusters matched by shape, zones that moved, rules that appeared or went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.mining.shapes import letters

_Floats = npt.NDArray[np.float64]

# Shapes closer than this (root mean square, 1 = the mean load of the day) are the same shape.
SAME_SHAPE_RMS = 0.08
# A zone stays in its cluster until another has this much more of its recent days: no flicker between equals.
LEAD = 0.1
# A move that so many of the zones make together is the season's, not the zones'.
COMMON_SHARE = 0.5
# A zone that is no further ahead of the others than this, against the whole window, moved with them.
OWN_SHIFT = 0.2
# A rule whose confidence moved by less has only crossed a threshold.
CONFIDENCE_STEP = 0.05

RuleKey = tuple[tuple[str, ...], tuple[str, ...]]


def align(previous: Mapping[str, _Floats], shapes: _Floats) -> tuple[list[str], list[bool]]:
    """(letter of each current cluster, whether the previous run had this shape).

    previous: shape (24) by letter; shapes (k, 24). One-to-one matching with the smallest sum of distances (Kuhn 1955);
    a pair further apart than SAME_SHAPE_RMS is no match, and the cluster gets a new letter.
    """
    matched: dict[int, str] = {}
    if previous:
        from scipy.optimize import linear_sum_assignment

        names = list(previous)
        before = np.stack([np.asarray(previous[name], dtype=np.float64) for name in names])
        distance = np.sqrt(((shapes[:, None] - before[None]) ** 2).mean(axis=2))
        # Capped: one hopeless pair must not tear apart a good one.
        for now, then in zip(*linear_sum_assignment(np.minimum(distance, 2 * SAME_SHAPE_RMS)), strict=True):
            if distance[now, then] <= SAME_SHAPE_RMS:
                matched[int(now)] = names[int(then)]
    fresh = iter(letters(len(shapes), taken=list(previous)))
    return [matched.get(place) or next(fresh) for place in range(len(shapes))], [
        place in matched for place in range(len(shapes))
    ]


def zone_clusters(
    zones: Sequence[str], names: Sequence[str], recent: _Floats, previous: Mapping[str, str]
) -> dict[str, str | None]:
    """The cluster of each zone: most of its recent days, but the previous one while no other leads by LEAD.

    recent (zones, k): shares of the recent days; None for a zone without any.
    """
    found: dict[str, str | None] = {}
    for place, zone in enumerate(zones):
        share = recent[place]
        if not share.sum():
            found[zone] = None
            continue
        best = int(share.argmax())
        before = previous.get(zone)
        if before is not None and before in names and share[best] - share[list(names).index(before)] < LEAD:
            found[zone] = before
        else:
            found[zone] = names[best]
    return found


@dataclass(frozen=True)
class Move:
    """`zone` went from cluster `before` to `now`; `common`: the season's move rather than the zone's own."""

    zone: str
    before: str
    now: str
    share_now: float
    common: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "zone": self.zone,
            "from": self.before,
            "to": self.now,
            "share_of_recent_days": round(self.share_now, 3),
            "common": self.common,
        }


def moves(
    previous: Mapping[str, str | None],
    current: Mapping[str, str | None],
    recent: Mapping[str, Mapping[str, float]],
    whole: Mapping[str, Mapping[str, float]],
) -> list[Move]:
    """Zones of both runs that changed cluster.

    recent, whole: shares of each zone's recent days, and of all its days, by cluster. The season moves all zones, each
    when its turn comes. So a move is marked common when at least half of the zones (and three) made it together, or
    when the zone's lead over the mean of all zones in the new cluster is recently not OWN_SHIFT larger than over the
    whole window (with three zones and more).
    """
    both = [zone for zone, now in current.items() if now and previous.get(zone)]
    made = {zone: (str(previous[zone]), str(current[zone])) for zone in both if previous[zone] != current[zone]}
    counted = Counter(made.values())
    found = []
    for zone, (before, now) in made.items():
        together = counted[before, now] >= max(3, COMMON_SHARE * len(both))
        own = _lead(recent, zone, now) - _lead(whole, zone, now)
        found.append(
            Move(zone, before, now, recent[zone].get(now, 0.0), together or (len(both) >= 3 and own < OWN_SHIFT))
        )
    return found


def _lead(shares: Mapping[str, Mapping[str, float]], zone: str, cluster: str) -> float:
    """Share of the zone's days in the cluster, less the mean over all zones."""
    others = [of.get(cluster, 0.0) for of in shares.values()]
    return shares[zone].get(cluster, 0.0) - sum(others) / len(others)


@dataclass(frozen=True)
class RuleChange:
    """A rule that appeared or went. Confidence before and now where the runs can say it. `matters`: it moved by more
    than CONFIDENCE_STEP; else it has only crossed a threshold."""

    antecedent: tuple[str, ...]
    consequent: tuple[str, ...]
    change: str
    confidence_before: float | None
    confidence_now: float | None

    @property
    def matters(self) -> bool:
        before, now = self.confidence_before, self.confidence_now
        return before is None or now is None or abs(now - before) >= CONFIDENCE_STEP

    @property
    def text(self) -> str:
        def said(confidence: float | None) -> str:
            return "unknown" if confidence is None else f"{confidence:.0%}"

        rule = f"{' + '.join(self.antecedent)} -> {' + '.join(self.consequent)}"
        return f"{rule} (confidence {said(self.confidence_before)} -> {said(self.confidence_now)})"

    def as_json(self) -> dict[str, Any]:
        return {
            "change": self.change,
            "antecedent": list(self.antecedent),
            "consequent": list(self.consequent),
            "confidence_before": self.confidence_before,
            "confidence_now": self.confidence_now,
            "matters": self.matters,
        }


def rule_changes(
    before: Mapping[RuleKey, float],
    now: Mapping[RuleKey, float],
    support_before: Mapping[tuple[str, ...], float],
    support_now: Mapping[tuple[str, ...], float],
) -> list[RuleChange]:
    """Rules (key -> confidence) that appeared or went.

    The supports (sorted items -> support) of each run tell the confidence where a run did not report the rule.
    """
    changes = [
        RuleChange(*key, "appeared", confidence_of(key, support_before), confidence)
        for key, confidence in now.items()
        if key not in before
    ]
    return changes + [
        RuleChange(*key, "went", confidence, confidence_of(key, support_now))
        for key, confidence in before.items()
        if key not in now
    ]


def confidence_of(rule: RuleKey, support: Mapping[tuple[str, ...], float]) -> float | None:
    """Confidence of a rule by the supports of itemsets; None where one of the two is not known."""
    both = support.get(tuple(sorted({*rule[0], *rule[1]})))
    alone = support.get(tuple(sorted(rule[0])))
    return None if both is None or not alone else both / alone
