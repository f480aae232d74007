"""What a browser needs to show one report: its address and a token of short life that opens nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from smartgrid.powerbi.client import PowerBiClient
from smartgrid.powerbi.entities import Json, Report
from smartgrid.powerbi.errors import NoRowLevelRole

# What the service takes as the name of an effective identity: no spaces, at most 256 characters.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.\-_!#^~@]")


@dataclass(frozen=True)
class Embedding:
    """`identity_roles` are the row-level roles that the token carries; None: the dataset has no row-level security."""

    report: Report
    embed_url: str
    token: str
    expires_at: datetime
    identity_roles: list[str] | None


def embedding(
    client: PowerBiClient, report_id: str, caller: str, role: str, rls_roles: Mapping[str, Sequence[str]], minutes: int
) -> Embedding:
    """Address and token of a report for `caller`, who sees the rows of the roles that `role` maps to.

    Raises:
        NoRowLevelRole: the dataset has row-level security, and `role` maps to nothing.
        AccessDenied, NotFound: the service principal may not see the report.
    """
    report = client.report(report_id)
    body: Json = {"reports": [{"id": report.report_id, "allowEdit": False}], "lifetimeInMinutes": minutes}
    identity = identity_of(client, report, caller, role, rls_roles)
    if report.dataset_id:
        body["datasets"] = [{"id": report.dataset_id, "xmlaPermissions": "ReadOnly" if report.paginated else "Off"}]
    if identity is not None:
        body["identities"] = [identity]
    token = client.embed_token(body)
    roles = list(identity["roles"]) if identity is not None else None
    return Embedding(report, report.embed_url or "", token.token, token.expires_at, roles)


def identity_of(
    client: PowerBiClient, report: Report, caller: str, role: str, rls_roles: Mapping[str, Sequence[str]]
) -> Json | None:
    """The effective identity that the service wants with a dataset of row-level security, and with no other.

    Raises:
        NoRowLevelRole
    """
    if not report.dataset_id:
        return None
    dataset = client.dataset(report.dataset_id)
    if not dataset.needs_identity:
        return None
    roles = list(rls_roles.get(role, ()))
    if not roles:
        raise NoRowLevelRole(role, report.name or report.report_id)
    name = _NOT_IN_NAMES.sub("_", caller)[:256] or "unknown"
    return {"username": name, "roles": roles[:50], "datasets": [report.dataset_id]}
