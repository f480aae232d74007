"""What a step process may see of the environment of its Airflow worker."""

from __future__ import annotations

from collections.abc import Mapping

# Connections, variables, the metadata database's URL, the JWT and Fernet keys: a step needs none of them.
AIRFLOW_PREFIXES = ("AIRFLOW", "_AIRFLOW", "__AIRFLOW")
# Which DAG, task and run this is: no secret, and useful in the step's own logs.
CONTEXT_PREFIX = "AIRFLOW_CTX_"


def step_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without Airflow's configuration and secrets.

    >>> step_environment({"PATH": "/bin", "AIRFLOW__CORE__FERNET_KEY": "x", "SMARTGRID_HOME": "/data"})
    {'PATH': '/bin', 'SMARTGRID_HOME': '/data', 'PYTHONUNBUFFERED': '1'}
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name.startswith(CONTEXT_PREFIX) or not name.startswith(AIRFLOW_PREFIXES)
    }
    # Lines reach the task log when they are written, not when a buffer is full.
    return kept | {"PYTHONUNBUFFERED": "1"}
