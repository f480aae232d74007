"""Measurements in a file or a folder of CSV or Parquet files."""

from __future__ import annotations

import gzip
import io
import zlib
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from smartgrid.errors import ConfigurationError, SmartGridError
from smartgrid.ingest.csv_table import read_csv_table
from smartgrid.ingest.landing import ANCHOR, SOURCE_SCHEMA, empty_rows, with_anchor
from smartgrid.ingest.normalise import normalise
from smartgrid.ingest.seen_files import SeenFile, SeenFiles
from smartgrid.ingest.source import LATE, identity, span_of
from smartgrid.lake.window import Window
from smartgrid.settings import Settings, config_path

# Raise it when parsing changes: cached rows of an older parser are then made anew.
_PARSER_VERSION = 1
_SUFFIXES = {
    "csv": (".csv", ".csv.gz", ".txt"),
    "parquet": (".parquet", ".pq"),
}


class NoFiles(SmartGridError):
    """There is no file to read at `path`."""

    exit_code = 2

    def __init__(self, path: Path, suffixes: tuple[str, ...]) -> None:
        self.path, self.suffixes = path, suffixes
        problem = "holds no file" if path.is_dir() else "does not exist or is no file"
        super().__init__(f"source.path {path} {problem} that ends in {', '.join(suffixes)}.")


class DamagedFile(SmartGridError):
    """A file cannot be read at all."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path} cannot be read: {problem}. Replace it or move it out of the folder.")


class FilesSource:
    """See module. Rows are in the order of the sorted file names, then of the lines."""

    def __init__(self, settings: Settings) -> None:
        self._source, self._timezone = settings.source, settings.source_timezone
        self._interval = timedelta(minutes=settings.source.interval_minutes)
        if settings.source.path is None:
            raise ConfigurationError(["source.path: names a file or folder where source.kind is files, csv or parquet"])
        base = config_path()
        # A relative path in a settings file means: beside that file, wherever the process was started.
        self._path = ((base.parent if base else Path.cwd()) / settings.source.path.expanduser()).resolve()
        self._name = identity(self._source.kind, str(self._path))
        parser = self._source.model_dump_json(exclude={"path", "url", "token", "query"})
        self._seen = SeenFiles(settings.home, self._name, f"{_PARSER_VERSION}{self._timezone}{parser}")
        self._loaded: dict[Path, tuple[SeenFile, pl.DataFrame]] | None = None

    @property
    def name(self) -> str:
        return self._name

    def span(self) -> Window:
        return span_of(
            pl.concat([empty_rows(), *(rows for _, rows in self._load().values())]), self._interval, self.name
        )

    def read(self, window: Window) -> pl.DataFrame:
        # Rows of a file whose times cannot be read at all have no anchor: they go with the first reading of the source.
        first = self.span().start
        parts = [empty_rows().with_columns(pl.lit(False).alias(LATE))]
        for path, (fingerprint, rows) in self._load().items():
            anchored = rows.with_columns(pl.col(ANCHOR).fill_null(first))
            marked = self._mark_late(anchored, window.end, self._seen.changed(path, fingerprint))
            inside = (pl.col(ANCHOR) >= window.start) & (pl.col(ANCHOR) < window.end)
            parts.append(marked.filter(inside | pl.col(LATE)))
        return pl.concat(parts)

    def remember(self, frontier: datetime) -> None:
        self._seen.commit({str(path): fingerprint for path, (fingerprint, _) in self._load().items()}, frontier)

    def _mark_late(self, rows: pl.DataFrame, end: datetime, changed: bool) -> pl.DataFrame:
        """Late: from before what was ingested so far, and not in any file as it was then."""
        frontier = self._seen.frontier
        not_late = rows.with_columns(pl.lit(False).alias(LATE))
        if frontier is None or not changed:
            return not_late
        numbered = rows.with_row_index("row")
        old = numbered.filter(pl.col(ANCHOR) < min(frontier, end))
        content = [name for name in SOURCE_SCHEMA if name != "source_ref"]
        for seen in self._seen.seen_rows():
            if old.is_empty():
                return not_late
            old = old.join(seen.select(content), on=content, how="anti", nulls_equal=True, maintain_order="left")
        return numbered.with_columns(pl.col("row").is_in(old["row"].implode()).alias(LATE)).drop("row")

    def _load(self) -> dict[Path, tuple[SeenFile, pl.DataFrame]]:
        if self._loaded is None:
            self._loaded = {}
            for path in self._files():
                # Taken before reading: a file that grows meanwhile is read again next time.
                fingerprint = self._seen.fingerprint(path)
                rows = self._seen.cached(fingerprint)
                if rows is None:
                    rows = self._parse(path)
                    self._seen.cache(fingerprint, rows)
                self._loaded[path] = (fingerprint, rows)
        return self._loaded

    def _files(self) -> list[Path]:
        kind = self._source.kind
        suffixes = _SUFFIXES.get(kind, (*_SUFFIXES["csv"], *_SUFFIXES["parquet"]))
        if self._path.is_file():
            return [self._path]
        found = sorted(
            path
            for path in self._path.rglob("*")
            # Names with a leading dot or underscore are files that somebody is still writing.
            if path.is_file() and path.name.lower().endswith(suffixes) and path.name[0] not in "._"
        )
        if not found:
            raise NoFiles(self._path, suffixes)
        return found

    def _parse(self, path: Path) -> pl.DataFrame:
        source_ref = path.name if path == self._path else str(path.relative_to(self._path))
        data = path.read_bytes()
        try:
            if path.name.lower().endswith(_SUFFIXES["parquet"]):
                table = pl.read_parquet(io.BytesIO(data))
            else:
                data = gzip.decompress(data) if path.name.lower().endswith(".gz") else data
                table = read_csv_table(data, self._source.separator)
        except (PolarsError, EOFError, OSError, zlib.error) as error:
            raise DamagedFile(path, str(error).splitlines()[0]) from None
        if not table.columns:
            return empty_rows()
        return with_anchor(normalise(table, self._source, self._timezone, source_ref), self._interval)
