"""What the service tells, typed. Times are UTC; a field that the service left out is None."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Workspace:
    workspace_id: str
    name: str
    dedicated_capacity: bool

    @classmethod
    def parse(cls, row: Json) -> Workspace:
        return cls(str(row["id"]), str(row.get("name", "")), bool(row.get("isOnDedicatedCapacity")))


@dataclass(frozen=True)
class Dataset:
    """`needs_identity`: it has row-level security, so that nobody sees it without saying as whom."""

    dataset_id: str
    name: str
    refreshable: bool
    needs_identity: bool
    needs_roles: bool
    web_url: str | None

    @classmethod
    def parse(cls, row: Json) -> Dataset:
        return cls(
            str(row["id"]),
            str(row.get("name", "")),
            bool(row.get("isRefreshable", True)),
            bool(row.get("isEffectiveIdentityRequired")),
            bool(row.get("isEffectiveIdentityRolesRequired")),
            row.get("webUrl"),
        )


@dataclass(frozen=True)
class Report:
    """`paginated`: made with Report Builder (.rdl), the only kind that the service itself exports to Excel."""

    report_id: str
    name: str
    dataset_id: str | None
    paginated: bool
    embed_url: str | None
    web_url: str | None

    @classmethod
    def parse(cls, row: Json) -> Report:
        return cls(
            str(row["id"]),
            str(row.get("name", "")),
            row.get("datasetId"),
            row.get("reportType") == "PaginatedReport",
            row.get("embedUrl"),
            row.get("webUrl"),
        )


@dataclass(frozen=True)
class EmbedToken:
    """`token` is a secret of the browser that asked; it is never logged or stored."""

    token: str
    token_id: str
    expires_at: datetime

    @classmethod
    def parse(cls, row: Json) -> EmbedToken:
        expires_at = moment(row["expiration"])
        if expires_at is None:
            raise ValueError("an embed token without an end")
        return cls(str(row["token"]), str(row.get("tokenId", "")), expires_at)


@dataclass(frozen=True)
class ExportJob:
    """State of an export at the service: `NotStarted`, `Running`, `Succeeded` or `Failed`."""

    job_id: str
    status: str
    percent: int
    extension: str | None
    retry_after_s: float | None

    @classmethod
    def parse(cls, row: Json, retry_after_s: float | None) -> ExportJob:
        return cls(
            str(row["id"]),
            str(row.get("status", "Undefined")),
            int(row.get("percentComplete") or 0),
            row.get("ResourceFileExtension") or row.get("resourceFileExtension"),
            retry_after_s,
        )


def moment(text: object) -> datetime | None:
    """A time as the service writes it; without an offset it is UTC."""
    if not isinstance(text, str) or not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
