"""Who signs in, and at which addresses: settings, overridden by what an Airflow connection says."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from smartgrid.powerbi.clouds import CLOUDS
from smartgrid.powerbi.errors import NotConfigured, WrongAddress
from smartgrid.powerbi_settings import PowerBi
from smartgrid.settings import get_settings


@dataclass(frozen=True)
class Access:
    """Everything that a client needs. Make it with `from_settings`."""

    client_id: str
    client_secret: SecretStr | None
    certificate_path: Path | None
    certificate_password: SecretStr | None
    workspace_id: str
    authority: str
    scope: str
    api_base: str
    app_base: str
    ca_file: Path | None
    request_timeout_s: float
    # Microsoft's own sign-in hosts are checked against their published list; any other is taken as given.
    own_authority: bool

    @classmethod
    def from_settings(cls, overrides: Mapping[str, Any] | None = None) -> Access:
        """Settings `POWERBI_*` with `overrides` by the same names; an override that is None or empty counts as not set.

        Raises:
            NotConfigured: with every missing name.
            WrongAddress
        """
        values = effective(overrides)
        missing = missing_names(values)
        if missing:
            raise NotConfigured(missing)
        cloud = CLOUDS[values.cloud]
        assert values.client_id is not None
        assert values.tenant_id is not None
        authority = _checked("authority", values.authority or cloud.authority)
        if not urlsplit(authority).path.strip("/"):
            authority = f"{authority}/{values.tenant_id}"
        api_base = _checked("api_base", values.api_base or cloud.api_base)
        for suffix in ("/myorg", "/v1.0"):
            api_base = api_base.removesuffix(suffix)
        return cls(
            client_id=values.client_id,
            client_secret=values.client_secret,
            certificate_path=values.certificate_path,
            certificate_password=values.certificate_password,
            workspace_id=values.workspace_id or "",
            authority=authority,
            scope=values.scope or cloud.scope,
            api_base=api_base,
            app_base=_checked("app_base", values.app_base or cloud.app_base),
            ca_file=values.ca_file,
            request_timeout_s=values.request_timeout_s,
            own_authority=values.authority is not None,
        )


def effective(overrides: Mapping[str, Any] | None = None) -> PowerBi:
    """The settings of Power BI with `overrides`."""
    settings = get_settings().powerbi
    given = {name: value for name, value in (overrides or {}).items() if value not in (None, "")}
    return PowerBi.model_validate(settings.model_dump() | given) if given else settings


def missing_names(values: PowerBi) -> list[str]:
    """What has to be set before anything works."""
    names = [
        f"POWERBI_{name.upper()}" for name in ("client_id", "tenant_id", "workspace_id") if not getattr(values, name)
    ]
    if values.client_secret is None and values.certificate_path is None:
        names.insert(min(1, len(names)), "POWERBI_CLIENT_SECRET (or POWERBI_CERTIFICATE_PATH)")
    return names


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked(name: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongAddress(name, url, "not an http or https address")
    if parts.scheme == "http" and not is_loopback(url):
        raise WrongAddress(name, url, "a secret or token would travel in the clear; use https")
    return url.rstrip("/")
