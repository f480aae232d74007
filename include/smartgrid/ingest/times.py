"""Times as people write them, to UTC. Local times with daylight saving included."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from polars.exceptions import PolarsError

from smartgrid.errors import ConfigurationError
from smartgrid.lake.measurements import UTC_TIME

LOCAL_TIME = pl.Datetime("us")
_COMMON = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
# After "T" became a blank and "Z" became +0000. Tried in this order, each on what the ones before could not read.
_NAIVE = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y%m%d %H%M%S",
    "%Y%m%d %H%M",
)
_WITH_OFFSET = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z", "%Y%m%d %H%M%S%#z", "%Y%m%d %H%M%#z")
_MIDNIGHT_24 = r"([ T])24:00(:00)?$"
_DAY = timedelta(days=1)
# A year outside is a misread time, such as a two-digit year read as the year 24.
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


def parse_times(
    values: pl.Series, timezone: str, time_format: str | None = None, zones: pl.Series | None = None
) -> tuple[pl.Series, pl.Series]:
    """Return (times in UTC, text of what is there but is no time).

    Times without offset are local to `timezone`. A local time that daylight saving skips is no time; one that occurs
    twice is the earlier hour where it comes first within its zone (`zones`, same length), the later one after that.

    Raises:
        ConfigurationError: `time_format` is no format.
    """
    if values.dtype == pl.String:
        text = values.str.strip_chars()
        local, utc = _by_format(text, time_format) if time_format else _by_standard(text)
    elif values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
        text = values.cast(pl.String)
        aware = isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None
        utc = values.dt.convert_time_zone("UTC").cast(UTC_TIME) if aware else _nothing(values.len(), UTC_TIME)
        local = _nothing(values.len(), LOCAL_TIME) if aware else values.cast(LOCAL_TIME)
    else:
        whole = values.cast(pl.Int64, strict=False) if values.dtype.is_numeric() else values
        text = whole.cast(pl.String, strict=False).fill_null(values.cast(pl.String, strict=False))
        local, utc = _by_standard(text)
    utc = utc.fill_null(_localise(local, timezone, zones))
    utc = utc.set(~utc.dt.year().is_between(_FIRST_YEAR, _LAST_YEAR).fill_null(True), None)
    written = values if values.dtype == pl.String else text
    unread = written.set(utc.is_not_null() | (text == "").fill_null(False), None)
    return utc, unread


def _nothing(length: int, dtype: pl.DataType) -> pl.Series:
    return pl.Series([None], dtype=dtype).new_from_index(0, length)


def _by_format(text: pl.Series, time_format: str) -> tuple[pl.Series, pl.Series]:
    # Python's "seconds.%f" is "%S%.f" to polars.
    chrono = time_format.replace(".%f", "%.f")
    try:
        local, utc = _parse(text, chrono)
        midnight = local.is_null() & utc.is_null() & text.str.contains(_MIDNIGHT_24).fill_null(False)
        # 24:00 ends the day in many exports; no format has it.
        if midnight.any():
            late_local, late_utc = _parse(_without_24(text.set(~midnight, None)), chrono)
            local, utc = local.fill_null(late_local + _DAY), utc.fill_null(late_utc + _DAY)
    except (PolarsError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError([f"source.time_format {time_format!r}: {reason}"]) from None
    return local, utc


def _by_standard(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The two most common spellings are tried as they are; only what is left is cleaned, which costs more."""
    rows = pl.DataFrame({"text": text}).with_row_index("row")
    found, todo = _try(rows, _COMMON)
    if not todo.is_empty():
        clean = (
            todo["text"]
            .str.replace(r"\s*(Z|UTC|GMT)$", "+0000")
            .str.replace("T", " ", literal=True)
            .str.replace(r"(:\d{2}|\.\d+) ([+-]\d{2}:?\d{0,2})$", "$1$2")
        )
        more, todo = _try(todo.with_columns(clean.alias("text")), (*_NAIVE, *_WITH_OFFSET))
        found += more
    if not todo.is_empty():
        epoch = todo.with_columns(_nothing(todo.height, LOCAL_TIME).alias("local"), _epoch(todo["text"]).alias("utc"))
        found.append(epoch.select("row", "local", "utc"))
        late = todo.filter(pl.col("text").str.contains(_MIDNIGHT_24))
        midnights, _ = _try(late.with_columns(_without_24(late["text"]).alias("text")), _NAIVE)
        found += [part.with_columns(pl.col("local") + _DAY) for part in midnights]
    read = [part.filter(pl.col("local").is_not_null() | pl.col("utc").is_not_null()) for part in found]
    if len(read) == 1 and read[0].height == text.len():
        return read[0]["local"], read[0]["utc"]
    nothing = pl.DataFrame(schema={"row": rows["row"].dtype, "local": LOCAL_TIME, "utc": UTC_TIME})
    joined = rows.join(pl.concat([nothing, *read]), on="row", how="left", maintain_order="left")
    return joined["local"], joined["utc"]


def _try(todo: pl.DataFrame, formats: tuple[str, ...]) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """What each format could read of (row, text), as (row, local, utc), and the rest."""
    found: list[pl.DataFrame] = []
    todo = todo.filter(pl.col("text").is_not_null())
    for chrono in formats:
        if todo.is_empty():
            break
        local, utc = _parse(todo["text"], chrono)
        read = local.is_not_null() | utc.is_not_null()
        if read.any():
            found.append(todo.select("row", local.alias("local"), utc.alias("utc")).filter(read))
            todo = todo.filter(~read)
    return found, todo


def _without_24(text: pl.Series) -> pl.Series:
    return text.str.replace(_MIDNIGHT_24, "${1}00:00${2}")


def _parse(text: pl.Series, chrono: str) -> tuple[pl.Series, pl.Series]:
    """(local, utc): with an offset in the format the time is already in UTC."""
    return _split(text.str.to_datetime(chrono, strict=False, time_unit="us"))


def _split(parsed: pl.Series) -> tuple[pl.Series, pl.Series]:
    if isinstance(parsed.dtype, pl.Datetime) and parsed.dtype.time_zone is not None:
        return _nothing(parsed.len(), LOCAL_TIME), parsed.cast(UTC_TIME)
    return parsed.cast(LOCAL_TIME), _nothing(parsed.len(), UTC_TIME)


def _epoch(text: pl.Series) -> pl.Series:
    """Seconds (9 to 11 digits) or milliseconds (12 to 14) since 1970."""
    seconds = text.set(~text.str.contains(r"^\d{9,11}(\.\d+)?$"), None).cast(pl.Float64, strict=False)
    millis = text.set(~text.str.contains(r"^\d{12,14}$"), None).cast(pl.Float64, strict=False)
    micros = (seconds * 1_000_000).fill_null(millis * 1_000)
    return micros.round().cast(pl.Int64).cast(LOCAL_TIME).dt.replace_time_zone("UTC")


def _localise(local: pl.Series, timezone: str, zones: pl.Series | None) -> pl.Series:
    first = local.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    second = local.dt.replace_time_zone(timezone, ambiguous="latest", non_existent="null")
    twice = (first != second).fill_null(False)
    if twice.any():
        zone = zones if zones is not None else pl.Series([""]).new_from_index(0, local.len())
        rows = pl.DataFrame({"zone": zone, "local": local, "twice": twice})
        nth = rows.select(pl.int_range(pl.len()).over("zone", "local")).to_series()
        of = rows.select(pl.len().over("zone", "local")).to_series()
        # A file with the newest reading first has the later hour first.
        known = local.drop_nulls()
        later = nth < of - 1 if known[0] > known[-1] else nth > 0
        first = second.zip_with(twice & later, first)
    return first.dt.convert_time_zone("UTC")
