"""What the mining functions return. Arrays are NumPy's; `as_json()` gives plain lists and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from smartgrid.mining.itemset_table import ItemsetTable
    from smartgrid.mining.rule_table import RuleTable

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]


def _lists(values: Floats) -> list[list[float | None]]:
    """Rows as lists; what is not a number (a cluster without members in the sample) is None, which JSON has."""
    return [[None if value != value else value for value in row] for row in values.tolist()]


@dataclass(frozen=True)
class KPoint:
    """One k that was tried: inertia, mean silhouette and stability (adjusted Rand index of resampled runs)."""

    k: int
    inertia: float
    silhouette: float | None
    stability: float | None

    def as_json(self) -> dict[str, Any]:
        return {"k": self.k, "inertia": self.inertia, "silhouette": self.silhouette, "stability": self.stability}


@dataclass(frozen=True)
class KMeansResult:
    """Clusters of rows.

    labels (n,) from 0 to k - 1; centroids (k, d), band_low and band_high (k, d: 10th and 90th percentile of the
    members) in the units of the input; sizes (k,). inertia: sum of squared distances to the nearest centroid in the
    prepared (scaled) matrix. silhouette was taken on `silhouette_rows` rows; stability is the mean adjusted Rand index
    between this clustering and clusterings of resampled rows. `curve` has each k tried when k was not given.
    `parameters` repeat the run with scikit-learn: engine, n_init, random_state, max_iter, tol.
    """

    k: int
    labels: Integers
    centroids: Floats
    band_low: Floats
    band_high: Floats
    sizes: Integers
    inertia: float
    silhouette: float | None
    silhouette_rows: int
    stability: float | None
    curve: tuple[KPoint, ...]
    columns: tuple[str, ...]
    dropped_columns: tuple[str, ...]
    ids: tuple[str, ...] | None
    id_column: str | None
    scaler: str
    parameters: Mapping[str, Any]

    @property
    def rows(self) -> int:
        return len(self.labels)

    def as_json(self) -> dict[str, Any]:
        return {
            "method": "kmeans",
            "rows": self.rows,
            "columns": list(self.columns),
            "dropped_columns": list(self.dropped_columns),
            "id_column": self.id_column,
            "ids": None if self.ids is None else list(self.ids),
            "scaler": self.scaler,
            "parameters": dict(self.parameters),
            "k": self.k,
            "labels": self.labels.tolist(),
            "sizes": self.sizes.tolist(),
            "centroids": _lists(self.centroids),
            "band_low": _lists(self.band_low),
            "band_high": _lists(self.band_high),
            "inertia": self.inertia,
            "silhouette": self.silhouette,
            "silhouette_rows": self.silhouette_rows,
            "stability": self.stability,
            "curve": [point.as_json() for point in self.curve],
        }


@dataclass(frozen=True)
class Deviation:
    """One column in which an outlier differs: value and expected (the cluster's mean) in the input's unit.

    `deviation` = value - expected; `z` = deviation in the cluster's own standard deviations (None where its members
    are all alike); direction "above" or "below".
    """

    column: str
    value: float
    expected: float
    deviation: float
    z: float | None

    @property
    def direction(self) -> str:
        return "above" if self.deviation > 0 else "below"

    def as_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "direction": self.direction,
            "value": self.value,
            "expected": self.expected,
            "deviation": self.deviation,
            "z": self.z,
        }


@dataclass(frozen=True)
class Outlier:
    """A noise row, the cluster whose profile is nearest (-1: no cluster, the median row stands in) and why it differs.

    `distance` is that to the profile in the prepared (scaled) matrix, in its unit, the same as that of `eps`.
    """

    row: int
    row_id: str | None
    nearest_cluster: int
    distance: float
    causes: tuple[Deviation, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "row": self.row,
            "id": self.row_id,
            "nearest_cluster": self.nearest_cluster,
            "distance": self.distance,
            "causes": [cause.as_json() for cause in self.causes],
        }


@dataclass(frozen=True)
class DbscanResult:
    """Dense groups of rows, and the rows that belong to none.

    labels (n,): -1 is noise; clusters are numbered by their first core row, as scikit-learn does. core (n,): True for
    core rows; a row with a label >= 0 that is not core is a border row. profiles (clusters, d): mean of each cluster in
    the input's units. `eps_source` is "given" or "knee"; `k_distances` are the sorted distances to the min_samples-th
    neighbour (of a sample) from which the knee was read, empty when eps was given. `engine` did the work.
    """

    labels: Integers
    core: Flags
    eps: float
    eps_source: str
    min_samples: int
    k_distances: Floats
    profiles: Floats
    sizes: Integers
    outliers: tuple[Outlier, ...]
    mean_neighbours: float
    engine: str
    columns: tuple[str, ...]
    dropped_columns: tuple[str, ...]
    ids: tuple[str, ...] | None
    id_column: str | None
    scaler: str
    parameters: Mapping[str, Any]

    @property
    def rows(self) -> int:
        return len(self.labels)

    @property
    def clusters(self) -> int:
        return len(self.sizes)

    @property
    def kinds(self) -> list[str]:
        """ "core", "border" or "noise" of each row."""
        return [
            "core" if core else "noise" if label < 0 else "border"
            for core, label in zip(self.core.tolist(), self.labels.tolist(), strict=True)
        ]

    def as_json(self) -> dict[str, Any]:
        noise = int((self.labels < 0).sum())
        core = int(self.core.sum())
        return {
            "method": "dbscan",
            "rows": self.rows,
            "columns": list(self.columns),
            "dropped_columns": list(self.dropped_columns),
            "id_column": self.id_column,
            "ids": None if self.ids is None else list(self.ids),
            "scaler": self.scaler,
            "parameters": dict(self.parameters),
            "eps": self.eps,
            "eps_source": self.eps_source,
            "min_samples": self.min_samples,
            "engine": self.engine,
            "clusters": self.clusters,
            "labels": self.labels.tolist(),
            "kinds": self.kinds,
            "core": core,
            "border": self.rows - core - noise,
            "noise": noise,
            "sizes": self.sizes.tolist(),
            "profiles": self.profiles.tolist(),
            "mean_neighbours": self.mean_neighbours,
            "k_distances": self.k_distances.tolist(),
            "outliers": [outlier.as_json() for outlier in self.outliers],
        }


@dataclass(frozen=True)
class Itemset:
    """Items that occur together in `count` baskets, `support` = count / baskets.

    closed: no larger itemset has the same count; maximal: no larger itemset is frequent.
    """

    items: tuple[str, ...]
    support: float
    count: int
    closed: bool
    maximal: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "items": list(self.items),
            "support": self.support,
            "count": self.count,
            "closed": self.closed,
            "maximal": self.maximal,
        }


@dataclass(frozen=True)
class Rule:
    """Baskets with the antecedent also have the consequent.

    conviction is None where it is infinite (confidence 1). p_value: one-sided Fisher's exact test of independence;
    q_value: p_value corrected for the number of rules tried. redundant: a simpler rule says the same (docs/mining.md).
    """

    antecedent: tuple[str, ...]
    consequent: tuple[str, ...]
    support: float
    confidence: float
    lift: float
    leverage: float
    conviction: float | None
    count: int
    p_value: float
    q_value: float
    redundant: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "antecedent": list(self.antecedent),
            "consequent": list(self.consequent),
            "support": self.support,
            "confidence": self.confidence,
            "lift": self.lift,
            "leverage": self.leverage,
            "conviction": self.conviction,
            "count": self.count,
            "p_value": self.p_value,
            "q_value": self.q_value,
            "redundant": self.redundant,
        }


@dataclass(frozen=True)
class AssociationResult:
    """Frequent itemsets and the rules made of them.

    The tables hold arrays; `itemsets` and `rules` are made of them when first asked for. `partial` is True when a cap
    ended the search: each itemset given is right, others are missing, and `partial_reason` says which cap.
    """

    method: str
    engine: str
    transactions: int
    distinct_items: int
    min_support: float
    min_confidence: float
    max_length: int | None
    itemset_table: ItemsetTable
    rule_table: RuleTable
    rules_found: int
    rules_tried: int
    partial: bool
    partial_reason: str | None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def itemsets(self) -> Sequence[Itemset]:
        """By size, then by count from large to small, then by name."""
        return self.itemset_table.itemsets()

    @cached_property
    def rules(self) -> Sequence[Rule]:
        """By confidence and then lift from large to small; without the redundant ones unless all were asked for."""
        return self.rule_table.rules()

    def as_json(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "engine": self.engine,
            "transactions": self.transactions,
            "distinct_items": self.distinct_items,
            "min_support": self.min_support,
            "min_confidence": self.min_confidence,
            "max_length": self.max_length,
            "parameters": dict(self.parameters),
            "partial": self.partial,
            "partial_reason": self.partial_reason,
            "itemsets": [itemset.as_json() for itemset in self.itemsets],
            "rules_found": self.rules_found,
            "rules_tried": self.rules_tried,
            "rules": [rule.as_json() for rule in self.rules],
        }
