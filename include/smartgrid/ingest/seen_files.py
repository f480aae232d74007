"""Which files an earlier ingest has read, in `HOME/ingest_manifest.json`, and their rows, in `HOME/ingest_cache`.

The rows serve twice: an unchanged file is not parsed again, and of a changed file only what is new counts as late.
"""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel

from smartgrid.lake.files import write_bytes


class SeenFile(BaseModel):
    """Fingerprint of a file and the name of the cached rows."""

    size: int
    mtime_ns: int
    rows: str


class SeenFiles:
    """Memory of one source. Nothing is seen until `commit`, so that an ingest that failed can be repeated."""

    def __init__(self, home: Path, source: str, parser: str) -> None:
        self._manifest = home / "ingest_manifest.json"
        self._cache = home / "ingest_cache"
        self._source, self._parser = source, parser
        entry = self._load().get(source, {})
        self.files = {path: SeenFile.model_validate(seen) for path, seen in entry.get("files", {}).items()}
        self.frontier = datetime.fromisoformat(entry["frontier"]) if "frontier" in entry else None

    def fingerprint(self, path: Path) -> SeenFile:
        stat = path.stat()
        # The settings of the parser belong to the key: other settings, other rows.
        key = f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0{self._parser}"
        name = f"{self._source}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.parquet"
        return SeenFile(size=stat.st_size, mtime_ns=stat.st_mtime_ns, rows=name)

    def changed(self, path: Path, now: SeenFile) -> bool:
        """Whether the file is new or has changed since it was seen."""
        before = self.files.get(str(path))
        return before is None or (before.size, before.mtime_ns) != (now.size, now.mtime_ns)

    def cached(self, file: SeenFile) -> pl.DataFrame | None:
        path = self._cache / file.rows
        return pl.read_parquet(path, memory_map=False) if path.exists() else None

    def cache(self, file: SeenFile, rows: pl.DataFrame) -> None:
        buffer = io.BytesIO()
        rows.write_parquet(buffer, compression="lz4")
        write_bytes(str(self._cache / file.rows), buffer.getvalue())

    def seen_rows(self) -> list[pl.DataFrame]:
        """Rows of every file as it was when it was seen."""
        frames = (self.cached(file) for file in self.files.values())
        return [frame for frame in frames if frame is not None]

    def commit(self, files: dict[str, SeenFile], frontier: datetime) -> None:
        """From now on `files` are seen, up to `frontier`; a file that is gone stays seen."""
        self.files = {**self.files, **files}
        self.frontier = frontier if self.frontier is None else max(frontier, self.frontier)
        manifest = self._load()
        manifest[self._source] = {
            "frontier": self.frontier.astimezone(UTC).isoformat(),
            "files": {path: file.model_dump() for path, file in sorted(self.files.items())},
        }
        write_bytes(str(self._manifest), json.dumps(manifest, indent=1).encode())
        wanted = {file.rows for file in self.files.values()}
        for stale in self._cache.glob(f"{self._source}-*.parquet"):
            if stale.name not in wanted:
                stale.unlink(missing_ok=True)

    def _load(self) -> dict[str, Any]:
        if not self._manifest.exists():
            return {}
        loaded: dict[str, Any] = json.loads(self._manifest.read_text(encoding="utf-8"))
        return loaded
