"""The connection type for Power BI: form fields, a Test button, and what a connection says instead of the settings."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

DEFAULT_CONNECTION = "powerbi_default"
# Fields of the form beside login and password, by the names that the settings have.
FIELDS = (
    "tenant_id", "workspace_id", "datasets", "cloud", "certificate_path", "certificate_password", "refresh_type",
    "authority", "scope", "api_base", "ca_file",
)  # fmt: skip


class PowerBIHook(BaseHook):
    """Power BI by a connection of type `smartgrid_powerbi`: login is the client id, password the client secret.

    What the connection leaves empty, and everything where there is no such connection, comes from `POWERBI_*`.
    """

    conn_name_attr = "powerbi_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = "smartgrid_powerbi"
    hook_name = "Power BI (Smart Grid)"

    def __init__(self, powerbi_conn_id: str = DEFAULT_CONNECTION) -> None:
        super().__init__()
        self.powerbi_conn_id = powerbi_conn_id

    def overrides(self) -> dict[str, Any]:
        """What the connection says, by the names of the settings; nothing where it does not exist."""
        try:
            return overrides_of(self.get_connection(self.powerbi_conn_id))
        except AirflowException as error:
            return _nothing(error)

    async def async_overrides(self) -> dict[str, Any]:
        """The same inside a triggerer."""
        try:
            return overrides_of(await self.aget_connection(self.powerbi_conn_id))
        except AirflowException as error:
            return _nothing(error)

    def get_conn(self) -> Any:
        """A client of the workspace."""
        from smartgrid.powerbi.access import Access
        from smartgrid.powerbi.client import PowerBiClient

        return PowerBiClient(Access.from_settings(self.overrides()))

    def test_connection(self) -> tuple[bool, str]:
        """Signs in and reads the workspace; for the Test button."""
        from pydantic import ValidationError

        from smartgrid.powerbi.access import Access
        from smartgrid.powerbi.client import PowerBiClient
        from smartgrid.powerbi.errors import PowerBiError

        try:
            access = Access.from_settings(self.overrides())
            # A person waits for the answer: no patience with a service that is away.
            client = PowerBiClient(access, patience_s=5)
            workspace, datasets = client.workspace(), client.datasets()
        except PowerBiError as error:
            return False, str(error)
        except ValidationError as error:
            return False, "; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors(include_input=False))
        kind = "dedicated capacity" if workspace.dedicated_capacity else "shared capacity"
        return True, f"Signed in; workspace {workspace.name} ({kind}) with {len(datasets)} datasets."


def overrides_of(connection: Any) -> dict[str, Any]:
    """Settings that a connection replaces; empty fields replace nothing."""
    extra = connection.extra_dejson
    given = {name: extra.get(name) for name in FIELDS}
    given |= {"client_id": connection.login, "client_secret": connection.password}
    return {name: value for name, value in given.items() if value not in (None, "")}


def _nothing(error: AirflowException) -> dict[str, Any]:
    """No such connection is no trouble; anything else must not pass for it."""
    if isinstance(error, AirflowNotFoundException):
        return {}
    raise error
