"""What a reload's answer says of metrics: by how much those that the request names grew meanwhile."""

from __future__ import annotations

from collections.abc import Iterable


def counter_values(text: str, names: Iterable[str]) -> dict[str, int]:
    """The first series of each counter in `text` (Prometheus' format); 0 for what is no counter or has no series.

    Names are TensorFlow's own (`/tensorflow/serving/request_count`), which Prometheus is shown with colons.
    """
    lines = text.splitlines()
    heads = {line: number for number, line in enumerate(lines) if line.startswith("# TYPE ")}
    values: dict[str, int] = {}
    for name in names:
        shown = name.replace("/", ":")
        head = heads.get(f"# TYPE {shown} counter")
        first = lines[head + 1] if head is not None and head + 1 < len(lines) else ""
        values[name] = int(first.rsplit(" ", 1)[1]) if first.startswith(f"{shown}{{") else 0
    return values
