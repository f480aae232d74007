"""How Airflow is configured on one machine: environment variables, secrets included.

Only the process that becomes Airflow gets them (see child.py); they are in no file but HOME/secrets.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url

from smartgrid.platform.secrets import USERS, PlatformSecrets
from smartgrid.settings import PROJECT_ROOT, Settings

# A killed scheduler or worker is noticed, and its tasks run again, in less than a minute.
SCHEDULER_LOST_AFTER_S = 20
ORPHAN_CHECK_INTERVAL_S = 10
# Longer than a restart of the API server, which records the heartbeats.
TASK_HEARTBEAT_TIMEOUT_S = 40
API_TOKEN_LIFETIME_S = 4 * 3600
# Training runs for hours under one token of the execution API.
TASK_TOKEN_LIFETIME_S = 12 * 3600


# Of no use to a process that only checks tokens.
NOT_FOR_APIS = ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY")


def airflow_home(settings: Settings) -> Path:
    return settings.home / "airflow"


def database_url(settings: Settings) -> str:
    """SQLAlchemy URL of Airflow's metadata: PostgreSQL where given, else SQLite that waits for its writer."""
    if settings.airflow_database_url is None:
        return f"sqlite:///{airflow_home(settings) / 'airflow.db'}?timeout=60"
    url = make_url(settings.airflow_database_url.get_secret_value())
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg2")
    return url.render_as_string(hide_password=False)


def airflow_environment(settings: Settings, secrets: PlatformSecrets) -> dict[str, str]:
    """Every variable that Airflow's components need beside the inherited ones."""
    base_url = f"http://127.0.0.1:{settings.airflow_port}"
    options: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": PROJECT_ROOT / "dags",
            "plugins_folder": PROJECT_ROOT / "plugins",
            "load_examples": False,
            "executor": "LocalExecutor",
            "parallelism": 4,
            "dags_are_paused_at_creation": False,
            # The Test button of connections; only who may edit a connection may press it.
            "test_connection": "Enabled",
            "fernet_key": secrets.fernet_key.get_secret_value(),
            "execution_api_server_url": f"{base_url}/execution/",
            "hostname_callable": "smartgrid.platform.hostname.loopback",
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "simple_auth_manager_users": ",".join(f"{user}:{role}" for user, role in USERS.items()),
            "simple_auth_manager_passwords_file": secrets.passwords_file,
            "simple_auth_manager_all_admins": False,
        },
        "database": {"sql_alchemy_conn": database_url(settings)},
        "api": {
            "host": "127.0.0.1",
            "port": settings.airflow_port,
            "base_url": base_url,
            "workers": 1,
            "secret_key": secrets.api_secret_key.get_secret_value(),
        },
        "api_auth": {
            "jwt_secret": secrets.jwt_secret.get_secret_value(),
            "jwt_expiration_time": API_TOKEN_LIFETIME_S,
        },
        "execution_api": {"jwt_expiration_time": TASK_TOKEN_LIFETIME_S},
        "workers": {
            # A restart of the API server takes 10 to 20 s on a busy machine; a task must outlive it.
            "execution_api_retries": 10,
            "execution_api_retry_wait_max": 15,
            "execution_api_timeout": 30,
            "max_failed_heartbeats": 12,
            "min_heartbeat_interval": 5,
        },
        "scheduler": {
            "scheduler_health_check_threshold": SCHEDULER_LOST_AFTER_S,
            "orphaned_tasks_check_interval": ORPHAN_CHECK_INTERVAL_S,
            "task_instance_heartbeat_sec": 5,
            "task_instance_heartbeat_timeout": TASK_HEARTBEAT_TIMEOUT_S,
            "task_instance_heartbeat_timeout_detection_interval": 5,
            # A task handed to a worker that died before taking it is queued again after this long.
            "task_queued_timeout": 90,
            "task_queued_timeout_check_interval": 15,
            "enable_health_check": False,
        },
        "dag_processor": {"refresh_interval": 15, "min_file_process_interval": 30, "parsing_processes": 1},
        "logging": {
            # One log server on loopback, a process of its own: those built into Airflow listen on every interface.
            "worker_log_server_port": settings.airflow_worker_log_port,
            "trigger_log_server_port": settings.airflow_worker_log_port,
            "colored_console_log": False,
        },
        "usage_data_collection": {"enabled": False},
    }
    environment = {"AIRFLOW_HOME": str(airflow_home(settings))}
    for section, values in options.items():
        for name, value in values.items():
            environment[f"AIRFLOW__{section}__{name}".upper()] = str(value)
    return environment


def api_environment(settings: Settings, secrets: PlatformSecrets) -> dict[str, str]:
    """What an API of ours needs of Airflow: its database, its users and the key of its tokens."""
    environment = airflow_environment(settings, secrets)
    return {name: value for name, value in environment.items() if name not in NOT_FOR_APIS}
