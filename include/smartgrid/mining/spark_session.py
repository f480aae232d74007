"""One Spark session a process: on loopback, quiet, bounded, and gone with its files when the process ends."""

from __future__ import annotations

import atexit
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartgrid.mining.errors import TimeLimitReached
from smartgrid.mining.limits import Deadline
from smartgrid.mining.spark_errors import SparkDidNotStart, SparkJobFailed, SparkNotInstalled
from smartgrid.mining.spark_java import find_java, java_home
from smartgrid.settings import Settings, get_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_log = logging.getLogger(__name__)
_PREFIX = "smartgrid-spark-"
_LOGGING = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss} %p %c{1}: %m%n%ex
# Each failure of a task reaches the caller as an exception.
logger.tasks.name = org.apache.spark.scheduler.TaskSetManager
logger.tasks.level = off
logger.executor.name = org.apache.spark.executor.Executor
logger.executor.level = off
"""


@dataclass(frozen=True)
class _Running:
    session: SparkSession
    master: str
    process: Any
    folder: Path
    log_file: Path


_running: _Running | None = None
_lock = threading.Lock()


def spark() -> SparkSession:
    """The session of this process, started when it is first asked for (some ten seconds).

    Raises:
        SparkNotInstalled, NoJavaForSpark, SparkDidNotStart
    """
    global _running
    settings = get_settings()
    with _lock:
        if _running is not None and _running.master != settings.spark_master:
            _stop()
        if _running is None:
            _running = _start(settings)
            atexit.register(stop)
        return _running.session


def stop() -> None:
    """End the session, its JVM and its files; the next call of `spark` starts another."""
    with _lock:
        _stop()


def log_file() -> str:
    return "none" if _running is None else str(_running.log_file)


@contextmanager
def job(doing: str, deadline: Deadline | None = None) -> Iterator[None]:
    """Around actions of Spark: they end with the deadline, and Spark's errors become errors of the family.

    Raises:
        TimeLimitReached, SparkJobFailed
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    context = spark().sparkContext
    group = f"smartgrid-{uuid.uuid4().hex}"
    context.setJobGroup(group, doing, interruptOnCancel=True)
    timer: threading.Timer | None = None
    if deadline is not None and deadline.limit_s is not None:
        deadline.check(doing)
        left_s = deadline.limit_s - (time.monotonic() - deadline.began_s)
        timer = threading.Timer(left_s, context.cancelJobGroup, [group])
        timer.daemon = True
        timer.start()
    try:
        yield
    except (PySparkException, Py4JError) as error:
        if deadline is not None and deadline.limit_s is not None and deadline.passed():
            raise TimeLimitReached(deadline.limit_s, doing) from error
        raise SparkJobFailed(doing, _short(error), log_file()) from error
    finally:
        if timer is not None:
            timer.cancel()
        # Without a group, later actions could not be cancelled by the timer of this one.
        with suppress(Py4JError):
            context.setLocalProperty("spark.jobGroup.id", None)


def _start(settings: Settings) -> _Running:
    if importlib.util.find_spec("pyspark") is None:
        raise SparkNotInstalled
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    java = find_java()
    _remove_left_behind()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    log_path = settings.home / "logs" / "spark.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    (folder / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")
    options = _options(settings, folder)
    conf = SparkConf(loadDefaults=False)
    for name, value in options.items():
        conf.set(name, value)
    local = settings.spark_master.startswith("local")
    environment = {
        "JAVA_HOME": str(java_home(java, folder)),
        # One thread a task: a task is already one of several that share the cores.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYSPARK_PYTHON": options.get("spark.pyspark.python") or (sys.executable if local else "python3"),
    }
    if local:
        environment["SPARK_LOCAL_IP"] = "127.0.0.1"
    process = None
    try:
        with _environment(environment), log_path.open("ab") as log:
            # Its own output would mix with the JSON that commands print.
            gateway = launch_gateway(conf, popen_kwargs={"stdout": log, "stderr": log})
            process = gateway.proc
            context = SparkContext(conf=conf, gateway=gateway)
            session = SparkSession(context)
    except (PySparkException, Py4JError, OSError) as error:
        if process is not None:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)
        raise SparkDidNotStart(settings.spark_master, _short(error), str(log_path)) from error
    _log.info("Spark %s on %s, Java %d", context.version, settings.spark_master, java.version)
    return _Running(session, settings.spark_master, process, folder, log_path)


def _options(settings: Settings, folder: Path) -> dict[str, str]:
    options = {
        "spark.master": settings.spark_master,
        "spark.app.name": "smartgrid",
        "spark.driver.memory": f"{settings.spark_memory_mb}m",
        "spark.driver.maxResultSize": f"{settings.spark_memory_mb}m",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile=file:{folder}/log4j2.properties "
        f"-Djava.io.tmpdir={folder} -XX:-UsePerfData",
    }
    if settings.spark_master.startswith("local"):
        # Nothing listens but on loopback; and the 200 shuffle partitions of Spark's default are for clusters.
        options |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": str(max(2, 2 * (os.cpu_count() or 1))),
        }
    return options | settings.spark_options


def _stop() -> None:
    global _running
    if _running is None:
        return
    running, _running = _running, None
    from py4j.protocol import Py4JError
    from pyspark import SparkContext

    with suppress(Py4JError, OSError):
        running.session.stop()
    gateway = SparkContext._gateway
    if gateway is not None:
        with suppress(Py4JError, OSError):
            gateway.shutdown()
        # PySpark keeps the gateway for the next session; ours has a JVM of its own.
        SparkContext._gateway = SparkContext._jvm = None
    if running.process.stdin is not None:
        with suppress(OSError):
            running.process.stdin.close()
    try:
        running.process.wait(10)
    except Exception:  # noqa: BLE001 - subprocess.TimeoutExpired, or anything: the JVM must not stay
        running.process.kill()
        running.process.wait()
    shutil.rmtree(running.folder, ignore_errors=True)


def _remove_left_behind() -> None:
    """Folders of processes that were killed before they could remove them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}[0-9]*-*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _short(error: Exception) -> str:
    """The line that says what happened: for an error in a Python worker the last one of its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith(("\tat", "JVM"))]
    for number, line in enumerate(lines):
        if "Traceback (most recent call last)" in line:
            own = [text for text in lines[number + 1 :] if not text.startswith(("File ", "^", "raise "))]
            return (own[-1] if own else line)[:500]
    return (lines[0] if lines else type(error).__name__)[:500]
