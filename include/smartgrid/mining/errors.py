"""Failures of the mining. Each names the `field` of the request that is wrong and the `limit` that it broke."""

from __future__ import annotations

from smartgrid.errors import SmartGridError


class MiningError(SmartGridError):
    """Root of the room. `field`: the parameter or the part of the data; `limit`: what is allowed, in words."""

    exit_code = 2

    def __init__(self, field: str, limit: str, message: str) -> None:
        self.field, self.limit = field, limit
        super().__init__(f"{field}: {message} Allowed: {limit}.")


class ParameterOutOfRange(MiningError):
    """A parameter is not a number, or outside of what it may be."""

    def __init__(self, field: str, value: object, limit: str) -> None:
        self.value = value
        super().__init__(field, limit, f"{value!r} is not allowed.")


class TooFewRows(MiningError):
    """There are fewer rows (or distinct rows) than the method needs."""

    def __init__(self, rows: int, needed: int, why: str) -> None:
        self.rows, self.needed = rows, needed
        super().__init__("data", f"at least {needed} rows", f"{rows} row(s) given, {why}.")


class TooManyClusters(MiningError):
    """More clusters are asked for than there are different rows."""

    def __init__(self, k: int, rows: int, distinct: int) -> None:
        self.k, self.rows, self.distinct = k, rows, distinct
        super().__init__(
            "k", f"1 to {distinct}", f"{k} clusters of {rows} rows, of which {distinct} are different from each other."
        )


class TooMuchData(MiningError):
    """The data have more rows, columns or bytes than one call takes."""

    def __init__(self, field: str, found: int, limit: int, unit: str) -> None:
        self.found, self.maximum = found, limit
        super().__init__(field, f"at most {limit:,} {unit}", f"{found:,} {unit} given.")


class NotNumeric(MiningError):
    """A column of the matrix holds something that is not a number."""

    def __init__(self, column: str, example: object, row: int | None = None) -> None:
        self.column, self.example, self.row = column, example, row
        where = "" if row is None else f" in row {row}"
        super().__init__(
            f"column {column!r}",
            "numbers",
            f"holds {example!r}{where}. Name the column as the id column, or leave it out.",
        )


class NotFinite(MiningError):
    """Values are missing or infinite."""

    def __init__(self, columns: tuple[str, ...], rows: tuple[int, ...], values: int) -> None:
        self.columns, self.rows, self.values = columns, rows, values
        names = ", ".join(repr(name) for name in columns[:5]) + (" ..." if len(columns) > 5 else "")
        numbers = ", ".join(str(row) for row in rows[:5]) + (" ..." if len(rows) > 5 else "")
        super().__init__(
            f"column(s) {names}",
            "finite numbers",
            f"{values} value(s) are missing, NaN or infinite, in data row(s) {numbers}, counted from 0. "
            "Fill them or leave these rows out.",
        )


class ConstantColumns(MiningError):
    """Columns have the same value in each row: they tell nothing apart, and a scaler would divide by zero."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        names = ", ".join(repr(name) for name in columns[:5]) + (" ..." if len(columns) > 5 else "")
        super().__init__(
            f"column(s) {names}",
            "columns with at least two different values",
            "constant. Leave them out, or say `--constant-columns drop` (or keep; in Python constant_columns='drop').",
        )


class RaggedRows(MiningError):
    """The rows of an inline matrix have different lengths."""

    def __init__(self, row: int, length: int, expected: int) -> None:
        self.row, self.length, self.expected = row, length, expected
        super().__init__(f"row {row}", f"{expected} values, as in the first row", f"{length} values.")


class UnreadableInput(MiningError):
    """An input file is missing, is no table, or lacks a column."""

    def __init__(self, path: str, problem: str, limit: str) -> None:
        self.path, self.problem = path, problem
        super().__init__("input", limit, f"{path}: {problem}.")


class ItemNotText(MiningError):
    """An item of a basket is not a text, or empty."""

    def __init__(self, basket: int, item: object) -> None:
        self.basket, self.item = basket, item
        super().__init__(f"basket {basket}", "items that are non-empty texts", f"the item {item!r} is none.")


class BasketTooLong(MiningError):
    """A basket has so many items that its subsets cannot be counted."""

    def __init__(self, basket: int | str, items: int, limit: int) -> None:
        self.basket, self.items, self.maximum = basket, items, limit
        super().__init__(f"basket {basket}", f"at most {limit:,} different items", f"{items:,} different items.")


class ItemsetExplosion(MiningError):
    """At this support the number of candidate itemsets is beyond any use; nothing was searched."""

    def __init__(self, min_support: float, why: str, smallest_support: float | None) -> None:
        self.min_support, self.why, self.smallest_support = min_support, why, smallest_support
        limit = "a larger support" if smallest_support is None else f"from about {smallest_support:.6g} on these data"
        super().__init__("min_support", limit, f"{min_support:g} would explode: {why}.")


class TimeLimitReached(MiningError):
    """The work did not end in the time it was given."""

    def __init__(self, limit_s: float, doing: str) -> None:
        self.limit_s, self.doing = limit_s, doing
        super().__init__("time_limit_s", f"{limit_s:g} s", f"not done while {doing}. Give more time or less data.")


class MemoryLimitReached(MiningError):
    """The work would need more memory than it was given."""

    def __init__(self, needed_mb: float, limit_mb: int, doing: str) -> None:
        self.needed_mb, self.limit_mb, self.doing = needed_mb, limit_mb, doing
        super().__init__("memory_mb", f"{limit_mb:,} MB", f"{doing} needs about {needed_mb:,.0f} MB.")


class ItemsetLimitReached(MiningError):
    """More frequent itemsets exist than were allowed, and no partial result was wanted."""

    def __init__(self, limit: int, found: int) -> None:
        self.maximum, self.found = limit, found
        super().__init__(
            "max_itemsets", f"{limit:,} itemsets", f"{found:,} found and the search is not done. Raise min_support."
        )


class NeighbourhoodTooLarge(MiningError):
    """So many rows are within eps of each other that DBSCAN cannot tell anything apart, at great cost."""

    def __init__(self, eps: float, rows: int) -> None:
        self.eps, self.rows = eps, rows
        super().__init__(
            "eps", "an eps that leaves out most of the rows", f"{eps:g} has a large part of {rows:,} rows in reach."
        )


class NoClusterFound(MiningError):
    """No eps could be read from the distances: they are all the same, or zero."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__("eps", "a number above 0", f"none can be chosen from the data: {why}. Give one.")
