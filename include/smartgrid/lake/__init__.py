"""Parquet lake on fsspec: windows, dataset references, measurements by zone and year."""

from smartgrid.lake.dataset_ref import ChecksumMismatch, DatasetMissing, DatasetRef
from smartgrid.lake.files import read_parquet, write_parquet
from smartgrid.lake.measurements import read_measurements, read_weather, span, upsert_measurements, upsert_weather
from smartgrid.lake.window import Window

__all__ = [
    "ChecksumMismatch",
    "DatasetMissing",
    "DatasetRef",
    "Window",
    "read_measurements",
    "read_parquet",
    "read_weather",
    "span",
    "upsert_measurements",
    "upsert_weather",
    "write_parquet",
]
