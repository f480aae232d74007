"""What the answers look like. They are written by the workers; these models are their description."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class KPoint(BaseModel):
    """One k that was tried."""

    k: int
    inertia: float | None
    silhouette: float | None
    stability: float | None


class Clustering(BaseModel):
    """What both clusterings say of their input."""

    rows: int
    columns: list[str] = Field(description="columns that were used, in the order of centroids and profiles")
    dropped_columns: list[str]
    id_column: str | None
    ids: list[str] | None
    scaler: str
    parameters: dict[str, Any] = Field(description="what repeats the result with scikit-learn")
    labels: list[int] = Field(description="cluster of each row, -1: none")
    sizes: list[int]


class KMeansAnswer(Clustering):
    """Centroids and bands (10th and 90th percentile) are in the units of the input."""

    method: Literal["kmeans"]
    k: int
    centroids: list[list[float | None]]
    band_low: list[list[float | None]]
    band_high: list[list[float | None]]
    inertia: float | None
    silhouette: float | None
    silhouette_rows: int
    stability: float | None = Field(description="mean adjusted Rand index of resampled clusterings")
    curve: list[KPoint] = Field(description="each k that was tried, when none was given")


class Cause(BaseModel):
    """One column in which an outlier differs."""

    column: str
    direction: Literal["above", "below"]
    value: float | None
    expected: float | None
    deviation: float | None
    z: float | None


class Outlier(BaseModel):
    """A row that belongs to no cluster, and why."""

    row: int
    id: str | None
    nearest_cluster: int
    distance: float | None
    causes: list[Cause]


class DbscanAnswer(Clustering):
    """Profiles are the means of the clusters, in the units of the input."""

    method: Literal["dbscan"]
    eps: float
    eps_source: Literal["given", "knee"]
    min_samples: int
    engine: str
    clusters: int
    kinds: list[Literal["core", "border", "noise"]]
    core: int
    border: int
    noise: int
    profiles: list[list[float | None]]
    mean_neighbours: float
    k_distances: list[float | None]
    outliers: list[Outlier]


class Itemset(BaseModel):
    """Items that are in a transaction together, `count` times."""

    items: list[str]
    support: float
    count: int
    closed: bool
    maximal: bool


class Rule(BaseModel):
    """Transactions with the antecedent have the consequent too. `conviction` null: infinite."""

    antecedent: list[str]
    consequent: list[str]
    support: float
    confidence: float
    lift: float
    leverage: float
    conviction: float | None
    count: int
    p_value: float
    q_value: float
    redundant: bool


class AssociationAnswer(BaseModel):
    """`partial`: a cap ended the search; what is given is right, the rest is missing."""

    method: Literal["apriori", "fp-growth"]
    engine: str
    transactions: int
    distinct_items: int
    min_support: float
    min_confidence: float
    max_length: int | None
    parameters: dict[str, Any]
    partial: bool
    partial_reason: str | None
    itemsets: list[Itemset]
    rules_found: int
    rules_tried: int
    rules: list[Rule]


class Job(BaseModel):
    """Work that runs as a run of the DAG `mine_on_request`."""

    id: str = Field(description="also the id of the run in Airflow", examples=["mine-0123456789abcdef0123456789abcdef"])
    method: Literal["kmeans", "dbscan", "apriori", "fp-growth"]
    status: Status
    created_at: datetime
    created_by: str
    error: dict[str, str] | None = Field(None, description="failed: `field`, `limit` and `message`, as in a 422")


class JobWithResult(Job):
    """A job; `result` is there when it succeeded: what the request would have been answered with."""

    result: KMeansAnswer | DbscanAnswer | AssociationAnswer | None = None


class Jobs(BaseModel):
    """The newest jobs, newest first."""

    jobs: list[Job]


class HealthReport(BaseModel):
    """Whether the service answers, and what it can do."""

    status: Literal["ok"]
    detail: str = Field(examples=["2 mining workers"])
