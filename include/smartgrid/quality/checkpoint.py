"""Run the Great Expectations checkpoint on the accepted rows of a batch and keep its data docs.

The reviewed project of the repository is copied to `<HOME>/great_expectations` and runs there, so that running writes
nothing into the repository. Results and pages of the last runs are kept, older ones are removed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from smartgrid.fields import LOAD_KW
from smartgrid.lake.measurements import MEASUREMENT_SCHEMA
from smartgrid.quality.errors import ExpectationsMissing
from smartgrid.quality.suite import NAME, PROJECT, project_files

KEEP_RESULTS = 30
STYLES = "plugins/custom_data_docs/styles/data_docs_custom_styles.css"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`expectations`: one entry each, `{"type", "column", "severity", "success", "unexpected"}`."""

    expectations: list[dict[str, Any]]
    data_docs: str

    @property
    def critical(self) -> list[str]:
        """Expectations whose failure stops the batch."""
        return [_named(one) for one in self.expectations if not one["success"] and one["severity"] == "critical"]

    @property
    def warnings(self) -> list[str]:
        """Failed expectations that a person should look at; those of severity `info` are in the data docs only."""
        return [_named(one) for one in self.expectations if not one["success"] and one["severity"] == "warning"]


def run_checkpoint(batch_id: str, accepted: pl.DataFrame, home: Path, *, allow_negative_load: bool) -> Verdict:
    """Judge `accepted` (MEASUREMENT_SCHEMA) with the reviewed suite; `data_docs` is the page of this run.

    Raises:
        ExpectationsMissing: the GX project of the repository is incomplete.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    docs = home / "data_docs"
    with _one_at_a_time(home):
        folder = _working_copy(home, allow_negative_load=allow_negative_load)
        _prune(folder / "validations", docs / "validations")
        context = gx.get_context(mode="file", context_root_dir=str(folder))
        checkpoint = context.checkpoints.get(NAME)
        result = checkpoint.run(
            batch_parameters={"dataframe": _pandas(accepted)},
            run_id=gx.RunIdentifier(run_name=batch_id),
        )
        ((identifier, run),) = result.run_results.items()
    page = docs.joinpath("validations", *identifier.to_tuple()).with_suffix(".html")
    return Verdict([_entry(one) for one in run.results], str(page))


def _entry(result: Any) -> dict[str, Any]:
    config = result.expectation_config
    kwargs = config.kwargs
    column = kwargs.get("column") or kwargs.get("column_list") or kwargs.get("column_A")
    entry: dict[str, Any] = {
        "type": config.type,
        "column": column,
        "severity": config.severity.value,
        "success": bool(result.success),
    }
    if not result.success:
        found = result.result or {}
        entry["unexpected"] = found.get("unexpected_count", found.get("observed_value"))
        message = (result.exception_info or {}).get("exception_message")
        if message:
            entry["exception"] = str(message)[:300]
    return json.loads(json.dumps(entry, default=str)) if not result.success else entry


def _named(entry: dict[str, Any]) -> str:
    column = entry["column"]
    where = ",".join(column) if isinstance(column, list) else column
    return f"{entry['type']}({where})" if where else str(entry["type"])


def _pandas(accepted: pl.DataFrame) -> Any:
    """Only what the suite looks at; a category instead of a million strings, times without zone as GX compares them."""
    frame = accepted.select(*MEASUREMENT_SCHEMA).with_columns(
        pl.col("zone").cast(pl.Categorical),
        pl.col("time", "available_at").dt.replace_time_zone(None),
    )
    return frame.to_pandas()


def _working_copy(home: Path, *, allow_negative_load: bool) -> Path:
    folder = home / "great_expectations"
    names = ["great_expectations.yml", STYLES, *project_files()]
    for name in names:
        source = PROJECT / name
        if not source.is_file():
            raise ExpectationsMissing(str(source))
        content = source.read_text(encoding="utf-8")
        if allow_negative_load and name.startswith("expectations/"):
            content = _without_load_minimum(content)
        target = folder / name
        if not target.exists() or target.read_text(encoding="utf-8") != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
    return folder


def _without_load_minimum(content: str) -> str:
    """The reviewed suite with the one bound that `limits.allow_negative_load` lifts."""
    suite = json.loads(content)
    for expectation in suite["expectations"]:
        kwargs = expectation["kwargs"]
        if expectation["type"] == "expect_column_values_to_be_between" and kwargs["column"] == LOAD_KW.name:
            kwargs["min_value"] = -kwargs["max_value"]
    return json.dumps(suite, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _prune(results: Path, pages: Path) -> None:
    """Keep the newest runs but one (the coming one makes up the number): folders `<suite>/<run name>/<run time>`."""
    runs = sorted(results.glob(f"{NAME}/*/*/"), key=lambda path: path.name)
    for run in runs[: max(0, len(runs) - KEEP_RESULTS + 1)]:
        for folder in (run, pages / run.relative_to(results)):
            shutil.rmtree(folder, ignore_errors=True)
            if folder.parent.is_dir() and not any(folder.parent.iterdir()):
                folder.parent.rmdir()


@contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    """GX rewrites the index of the data docs: two runs in one home would mix them."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".great_expectations.lock").open("w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
