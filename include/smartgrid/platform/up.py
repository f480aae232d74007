"""Start the platform and wait until it is well."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from smartgrid.platform import prepare
from smartgrid.platform.airflow_client import AirflowClient
from smartgrid.platform.display import ConsoleDisplay
from smartgrid.platform.errors import NotHealthy, SupervisorFailed
from smartgrid.platform.health import Health
from smartgrid.platform.ports import check_ports
from smartgrid.platform.programs import Program, programs
from smartgrid.platform.secrets import ensure_secrets
from smartgrid.platform.supervisor import is_current, platform_lock, start, states, stop
from smartgrid.settings import TRAINING_POOL, Settings

HEALTH_TIMEOUT_S = 240
POLL_S = 1.0


def up(settings: Settings, display: ConsoleDisplay) -> None:
    """Start everything that is not running and wait for its health. Safe to repeat.

    Raises:
        PortsTaken, PreparationFailed, SupervisorFailed, NotHealthy
    """
    with platform_lock(settings), display.spinner():
        check_ports(settings)
        ensure_secrets(settings.home)
        if prepare.needs_download(settings):
            display.step("Data: download, unless it is there")
            prepare.download_data(settings)
        display.step("Results store")
        prepare.migrate_store()
        if not is_current(settings):
            stop(settings)
            display.step("Airflow's database")
            prepare.migrate_airflow(settings)
        start(settings)
        display.step(f"Processes: {', '.join(program.name for program in programs(settings))}")
        wait_until_healthy(settings, display)
        airflow = AirflowClient(
            f"http://127.0.0.1:{settings.airflow_port}", "admin", ensure_secrets(settings.home).password("admin")
        )
        # Tasks that name a pool which is not there are never started.
        airflow.ensure_pool(TRAINING_POOL, 1, "one trainer at a time")


def check_all(settings: Settings) -> dict[str, Health]:
    """Ask every program at once whether it is well."""
    selected = programs(settings)

    def ask(program: Program) -> Health:
        return program.check(settings)

    with ThreadPoolExecutor(max_workers=len(selected)) as pool:
        return dict(zip((program.name for program in selected), pool.map(ask, selected), strict=True))


def wait_until_healthy(settings: Settings, display: ConsoleDisplay, timeout_s: float = HEALTH_TIMEOUT_S) -> None:
    """Return when every program runs and answers well."""
    began = time.monotonic()
    reported: set[str] = set()
    while True:
        known = states(settings)
        if known is None:
            raise SupervisorFailed("it ended while its programs started", settings.home / "logs" / "supervisord.log")
        running = {process.name for process in known if process.state in ("RUNNING", "STARTING")}
        problems: dict[str, str] = {}
        for name, health in check_all(settings).items():
            if name not in running or not health.ok:
                problems[name] = health.detail if name in running else "not running"
            elif name not in reported:
                reported.add(name)
                display.note(f"{name}: {health.detail}")
        if not problems:
            return
        waited_s = time.monotonic() - began
        if waited_s > timeout_s:
            raise NotHealthy(problems, waited_s, settings.home / "logs")
        time.sleep(POLL_S)
