"""Association rules as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.mining.results import Rule

_Integers = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RuleTable:
    """One entry a rule, sorted as they are given out.

    members: the items of the whole rule (item numbers); mask: bit i set when members[i] belongs to the antecedent.
    """

    names: tuple[str, ...]
    members: list[_Integers]
    mask: _Integers
    count: _Integers
    support: _Floats
    confidence: _Floats
    lift: _Floats
    leverage: _Floats
    conviction: _Floats
    p_value: _Floats
    q_value: _Floats
    redundant: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.mask)

    def rules(self) -> list[Rule]:
        """Them all as objects, in order."""
        conviction = [None if value == float("inf") else value for value in self.conviction.tolist()]
        before = (self.support, self.confidence, self.lift, self.leverage)
        after = (self.count, self.p_value, self.q_value, self.redundant)
        figures = zip(
            *(column.tolist() for column in before), conviction, *(column.tolist() for column in after), strict=True
        )
        return [
            Rule(
                tuple(self.names[item] for place, item in enumerate(members) if mask >> place & 1),
                tuple(self.names[item] for place, item in enumerate(members) if not mask >> place & 1),
                *of_rule,
            )
            for members, mask, of_rule in zip(self.members, self.mask.tolist(), figures, strict=True)
        ]
