"""The link from a refresh task to its dataset in Power BI."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink

URL_KEY = "powerbi_dataset_url"


class PowerBIDatasetLink(BaseOperatorLink):
    """Opens the dataset (semantic model) in the Power BI web application."""

    name = "Power BI dataset"

    @property
    def xcom_key(self) -> str:
        return URL_KEY

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Known once the task has found the dataset; the key is what Airflow reads later."""
        return str(getattr(operator, "dataset_url", None) or "")
