"""Load patterns, outliers and event rules: K-Means, DBSCAN, Apriori, FP-Growth. See docs/mining.md."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smartgrid.mining.baskets import Baskets, as_baskets, read_baskets
    from smartgrid.mining.engine import apriori, dbscan, fp_growth, kmeans, open_baskets, open_matrix
    from smartgrid.mining.limits import MiningLimits
    from smartgrid.mining.matrix import Matrix, as_matrix, read_matrix
    from smartgrid.mining.streaming import kmeans_parquet

_WHERE = {
    "apriori": "engine",
    "fp_growth": "engine",
    "Baskets": "baskets",
    "as_baskets": "baskets",
    "read_baskets": "baskets",
    "open_baskets": "engine",
    "open_matrix": "engine",
    "kmeans": "engine",
    "kmeans_parquet": "streaming",
    "dbscan": "engine",
    "MiningLimits": "limits",
    "Matrix": "matrix",
    "as_matrix": "matrix",
    "read_matrix": "matrix",
}

__all__ = [
    "Baskets",
    "Matrix",
    "MiningLimits",
    "apriori",
    "as_baskets",
    "as_matrix",
    "dbscan",
    "fp_growth",
    "kmeans",
    "kmeans_parquet",
    "open_baskets",
    "open_matrix",
    "read_baskets",
    "read_matrix",
]


def __getattr__(name: str) -> Any:
    """A public name, imported when it is asked for: the room itself costs nothing to import."""
    if name in _WHERE:
        return getattr(importlib.import_module(f"smartgrid.mining.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
