"""A refresh from settings: the flow of one dataset, ready to take steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smartgrid.powerbi.access import Access, effective
from smartgrid.powerbi.client import PowerBiClient
from smartgrid.powerbi.refresh_flow import RefreshFlow
from smartgrid.powerbi.refresh_policy import RefreshPolicy
from smartgrid.powerbi.tokens import TokenSource


def flow_for(dataset: str, overrides: Mapping[str, Any] | None = None) -> RefreshFlow:
    """The flow of `dataset` (id or name); `overrides` replace settings of the same names.

    Raises:
        NotConfigured, WrongAddress, UnknownDataset, and what a request may raise.
    """
    values = effective(overrides)
    access = Access.from_settings(overrides)
    tokens = TokenSource(access)
    dataset_id = PowerBiClient(access, tokens).dataset_id(dataset)
    # The flow waits between its steps; a client that waited by itself would hold up a triggerer.
    return RefreshFlow(PowerBiClient(access, tokens, patience_s=0), dataset_id, RefreshPolicy.of(values))
