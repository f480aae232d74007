"""What Airflow learns of this package through its entry point `apache_airflow_provider`."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": ["string", "null"]}
_SECRET = {"type": ["string", "null"], "format": "password"}


def provider_info() -> dict[str, Any]:
    """The connection type for Power BI with its form, and the link of its operator. Imports nothing heavy."""
    return {
        "package-name": "smartgrid",
        "name": "Smart Grid",
        "description": "Power BI refreshes with a budget, once after many pipelines.",
        "connection-types": [
            {
                "connection-type": "smartgrid_powerbi",
                "hook-class-name": "smartgrid.orchestration.powerbi_hook.PowerBIHook",
                "hook-name": "Power BI (Smart Grid)",
                "conn-fields": _fields(),
                "ui-field-behaviour": {
                    "hidden-fields": ["host", "port", "schema"],
                    "relabeling": {"login": "Client ID", "password": "Client secret"},
                    "placeholders": {"login": "00000000-0000-0000-0000-000000000000"},
                },
            }
        ],
        "extra-links": ["smartgrid.orchestration.powerbi_link.PowerBIDatasetLink"],
    }


def _fields() -> dict[str, Any]:
    return {
        "tenant_id": _field("Tenant ID", "Directory of the service principal."),
        "workspace_id": _field("Workspace ID", "Workspace with the reports and datasets."),
        "datasets": _field("Datasets", "Ids or names that refresh_power_bi refreshes, separated by commas."),
        "cloud": _field("Cloud", "public, gcc, gcc_high, dod or china; sets the addresses."),
        "refresh_type": _field("Refresh type", "auto, standard or enhanced."),
        "certificate_path": _field("Certificate", "PEM file with private key and certificate, instead of a secret."),
        "certificate_password": {"label": "Certificate password", "schema": _SECRET, "description": "Of its key."},
        "authority": _field("Authority", "Sign-in address; empty: that of the cloud."),
        "scope": _field("Scope", "Scope of the token; empty: that of the cloud."),
        "api_base": _field("API address", "Empty: that of the cloud."),
        "ca_file": _field("CA file", "PEM of the only certificate authorities that are trusted."),
    }


def _field(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "schema": _TEXT, "description": description}
