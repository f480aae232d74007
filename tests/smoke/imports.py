"""Import every package of a requirements*.in file: `imports.py requirements-ml.in`.

Run as a script in the environment of that file: some libraries look for the file of `__main__`, so `python -c`
proves less. What metadata calls installed may still fail to import.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import sys
import tempfile
import time
import warnings
from pathlib import Path

# Distributions whose import name is not theirs; several names where each matters to us.
IMPORT_NAMES: dict[str, tuple[str, ...]] = {
    "apache-airflow": ("airflow", "airflow.sdk"),
    "apache-airflow-providers-standard": ("airflow.providers.standard.operators.python",),
    "apache-airflow-providers-docker": ("airflow.providers.docker.operators.docker",),
    "apache-airflow-providers-common-sql": ("airflow.providers.common.sql.hooks.sql",),
    "apache-airflow-providers-http": ("airflow.providers.http.operators.http",),
    "psycopg2-binary": ("psycopg2",),
    "pydantic-settings": ("pydantic_settings",),
    "mlflow-skinny": ("mlflow",),
    "pyyaml": ("yaml",),
    "pyjwt": ("jwt",),
    "google-auth": ("google.auth",),
    "scikit-learn": ("sklearn",),
    "tensorflow-cpu": ("tensorflow",),
    "tensorflow-serving-api": ("tensorflow_serving.apis.prediction_service_pb2_grpc",),
    "setuptools": ("setuptools", "pkg_resources"),
    "xgboost-cpu": ("xgboost",),
    "mlxtend": ("mlxtend.frequent_patterns",),
    "great-expectations": ("great_expectations",),
}


def distributions(requirements: Path) -> list[str]:
    names = []
    for line in requirements.read_text(encoding="utf-8").splitlines():
        match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line.split("#")[0].strip())
        if match:
            names.append(match.group().lower())
    return names


def main(requirements: Path) -> int:
    warnings.simplefilter("ignore")
    failures = 0
    for distribution in distributions(requirements):
        for name in IMPORT_NAMES.get(distribution, (distribution.replace("-", "_"),)):
            began = time.perf_counter()
            try:
                importlib.import_module(name)
            except Exception as error:  # noqa: BLE001 - whatever an import raises is the finding
                failures += 1
                print(f"FAILED  {distribution} ({name}): {type(error).__name__}: {error}")
            else:
                version = importlib.metadata.version(distribution)
                print(f"ok  {distribution} {version} ({name}) {time.perf_counter() - began:.1f} s")
    print(f"{requirements.name}: {failures} of the imports failed")
    return 1 if failures else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="smartgrid-imports-") as airflow_home:
        os.environ["AIRFLOW_HOME"] = airflow_home  # importing Airflow writes its configuration there
        status = main(Path(sys.argv[1]))
    sys.exit(status)
