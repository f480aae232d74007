"""Settings of Power BI: who signs in, where, and how datasets are refreshed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "POWERBI_"


class PowerBi(BaseModel):
    """Each is `SMARTGRID_POWERBI__<NAME>`, and also read from `POWERBI_<NAME>`, as Power BI users know it."""

    model_config = ConfigDict(extra="forbid")

    client_id: str | None = Field(None, description="application (client) id of the service principal")
    client_secret: SecretStr | None = Field(None, description="its secret; or give a certificate")
    certificate_path: Path | None = Field(None, description="PEM with private key and certificate, instead of a secret")
    certificate_password: SecretStr | None = Field(None, description="password of the private key")
    tenant_id: str | None = Field(None, description="directory (tenant) id")
    workspace_id: str | None = Field(None, description="workspace (group) with the reports and datasets")
    datasets: list[str] = Field(default_factory=list, description="ids or names that refresh_power_bi refreshes")

    cloud: Literal["public", "gcc", "gcc_high", "dod", "china"] = Field("public", description="sets the four URLs")
    authority: str | None = Field(None, description="sign-in address; default: that of the cloud")
    scope: str | None = Field(None, description="scope of the token; default: that of the cloud")
    api_base: str | None = Field(None, description="address of the REST API; default: that of the cloud")
    app_base: str | None = Field(None, description="address of the web application; default: that of the cloud")
    ca_file: Path | None = Field(None, description="PEM of the only certificate authorities that are trusted")

    refresh_type: Literal["auto", "standard", "enhanced"] = Field(
        "auto", description="enhanced needs dedicated capacity; auto asks the workspace"
    )
    daily_budget: int = Field(8, ge=0, description="refreshes that may be started per dataset in any 24 hours")
    coalesce_s: float = Field(10, ge=0, description="a refresh starts when no request came for so long")
    poll_s: float = Field(30, gt=0, description="longest pause between two looks at a refresh")
    settle_s: float = Field(180, ge=1, description="how late the service may list a refresh that it accepted")
    outage_s: float = Field(1800, ge=0, description="how long the service may be away while a refresh is waited for")
    refresh_timeout_s: float = Field(18_000, gt=0, description="a refresh that takes longer is cancelled")
    request_timeout_s: float = Field(60, gt=0, description="longest wait for one answer")

    embed_minutes: int = Field(15, ge=1, le=60, description="life of an embed token")
    rls_roles: dict[str, list[str]] = Field(
        default_factory=dict, description='row-level roles by our role: {"viewer": ["North"], "admin": ["All"]}'
    )
    workbook_queries: dict[str, str] = Field(
        default_factory=dict, description="sheet name to DAX query: XLSX of reports that are not paginated"
    )

    @field_validator("datasets", mode="before")
    @classmethod
    def _separated(cls, value: Any) -> Any:
        """`a,b` is a list too."""
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value


class PowerBiNames(PydanticBaseSettingsSource):
    """`POWERBI_CLIENT_ID` and its like, under the names that they have everywhere."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in PowerBi.model_fields:
            text = os.environ.get(PREFIX + name.upper(), "").strip()
            if text:
                found[name] = _value(text)
        return {"powerbi": found} if found else {}


def _value(text: str) -> Any:
    """Lists and tables are written as JSON; everything else is text."""
    if text[0] not in "[{":
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # the field says what is wrong with it
