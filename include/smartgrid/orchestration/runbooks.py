"""Documentation that the DAG files generate: a runbook each, and the table of all pipelines.

`python -m smartgrid.orchestration.runbooks` writes `docs/runbooks/*.md` and `docs/pipelines.md`; with `--check` it only
says which differ and ends with 1. Needs Airflow's environment, no database.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from smartgrid.errors import SmartGridError
from smartgrid.settings import PROJECT_ROOT, Training

HEAD = "<!-- Generated from {source} by `python -m smartgrid.orchestration.runbooks`. Edit that file. -->\n\n"
INTRODUCTION = """# Pipelines

DAGs, connected by assets: a run that makes an asset starts the DAGs that wait for it. An asset event carries
the `DatasetRef` of what was made (uri, sha256, rows, window, run), or the small result of the step.

```
ingest_measurements -> measurements -> validate_measurements -> validated_measurements -> forecast_load
retrain_load_forecast -> candidate_model -> promote_load_forecast -> serving_model -> forecast_load -> load_forecast
load_forecast, load_patterns, model_health -> refresh_power_bi -> power_bi_dataset
```

Each task is one step of the library, run as a fresh child process in `SMARTGRID_STEP_PYTHON`, or as a container with
`SMARTGRID_STEP_RUNNER=docker` (see [ADR 5](adr/0005-steps-as-child-processes.md)). A failed task is tried again up to
three times (a trainer once) with growing pauses of 15 s to 5 min; a step ended by a signal waits 2 min. Exit code 2
(wrong settings or arguments) and 3 (a verdict, such as a stopped batch) are not tried again.
"""


class UnreadableDags(SmartGridError):
    """A DAG file cannot be imported; `errors` has the traceback by file."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__("Correct these DAG files first:\n" + "\n".join(f"{file}: {errors[file]}" for file in errors))


def documents(root: Path = PROJECT_ROOT) -> dict[Path, str]:
    """Content of every generated file."""
    dags = _load(root)
    pages = {
        root / "docs/runbooks" / f"{dag.dag_id}.md": HEAD.format(source=f"dags/{dag.dag_id}.py") + _document(dag.doc_md)
        for dag in dags
    }
    pages[root / "docs/pipelines.md"] = HEAD.format(source="dags/") + INTRODUCTION + "\n" + _tables(dags)
    return pages


def differing(root: Path = PROJECT_ROOT) -> list[Path]:
    """Generated files that are missing or not as the DAGs say, and runbooks of DAGs that are no more."""
    wanted = documents(root)
    changed = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return changed + [path for path in sorted((root / "docs/runbooks").glob("*.md")) if path not in wanted]


def write(root: Path = PROJECT_ROOT) -> None:
    wanted = documents(root)
    for path in differing(root):
        if path not in wanted:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")


def _load(root: Path) -> list[Any]:
    """The DAGs of the project, by name."""
    from airflow.dag_processing.dagbag import DagBag

    found = DagBag(str(root / "dags"))
    if found.import_errors:
        raise UnreadableDags(found.import_errors)
    return [found.dags[dag_id] for dag_id in sorted(found.dags)]


def _document(docstring: str) -> str:
    # A heading of the web interface's size becomes the page's title.
    return docstring.strip().replace("### ", "# ", 1) + "\n"


def _tables(dags: list[Any]) -> str:
    rows = ["| DAG | starts on | tasks | makes |", "|---|---|---|---|"]
    parameters = ["| DAG | parameter | default | allowed |", "|---|---|---|---|"]
    for dag in dags:
        tasks = ", ".join(f"`{task.task_id}`" for task in dag.topological_sort())
        made = ", ".join(f"`{asset.name}`" for task in dag.tasks for asset in task.outlets)
        link = f"[`{dag.dag_id}`](runbooks/{dag.dag_id}.md)"
        rows.append(f"| {link} | {_starts_on(dag)} | {tasks} | {made} |")
        parameters += [
            f"| `{dag.dag_id}` | `{name}` | {_default(name, dag.params.get_param(name).value)} "
            f"| {_allowed(dag.params.get_param(name).schema)} |"
            for name in dag.params
        ]
    return "\n".join([*rows, "", "## Parameters", "", *parameters]) + "\n"


def _starts_on(dag: Any) -> str:
    if dag.dag_id == "deliver_notifications":
        return "`SMARTGRID_DELIVER_SCHEDULE` (every 5 minutes), `notification_requested`, or by hand"
    condition = getattr(dag.timetable, "asset_condition", None)
    if condition is not None and getattr(condition, "objects", None):
        return " or ".join(f"`{asset.name}`" for asset in condition.objects)
    if dag.dag_id == "ingest_measurements":
        return "`SMARTGRID_INGEST_SCHEDULE` (hourly), or by hand"
    if dag.schedule is None:
        return "a request of the analytics API, or by hand" if dag.dag_id == "mine_on_request" else "by hand"
    return f"cron `{dag.schedule.expression}` {dag.schedule.timezone}, or by hand"


def _default(name: str, value: object) -> str:
    if value in (None, ""):
        return "empty"
    return f"`SMARTGRID_TRAINING__{name.upper()}`" if name in Training.model_fields else str(value)


def _allowed(schema: dict[str, Any]) -> str:
    choices = schema.get("enum") or schema.get("items", {}).get("enum")
    if choices:
        return ("one or more of " if schema.get("type") == "array" else "") + ", ".join(map(str, choices))
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kind = schema.get("format") or next(kind for kind in kinds if kind != "null")
    if "minimum" in schema and "maximum" in schema:
        return f"{kind}, {schema['minimum']} to {schema['maximum']}"
    return f"{kind}, from {schema['minimum']}" if "minimum" in schema else str(kind)


def main(arguments: list[str]) -> int:
    if "--check" not in arguments:
        write()
        return 0
    for path in (changed := differing()):
        sys.stderr.write(f"{path.relative_to(PROJECT_ROOT)} differs: run python -m smartgrid.orchestration.runbooks\n")
    return 1 if changed else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        # Airflow writes a configuration file when it is imported: not into the user's own home.
        os.environ.setdefault("AIRFLOW_HOME", home)
        sys.exit(main(sys.argv[1:]))
