"""`smartgrid mine`: clusters, outliers and rules of a file, without the platform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from smartgrid.mining.limits import MiningLimits
    from smartgrid.mining.matrix import Matrix
    from smartgrid.mining.spark_matrix import SparkMatrix

mine_app = typer.Typer(help="Clusters, outliers and rules of a file.", no_args_is_help=True)

_Input = Annotated[Path, typer.Option("--input", help="CSV (first line: names) or Parquet, one row an object.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_IdColumn = Annotated[
    str | None,
    typer.Option(
        help="Column with the names of the rows; by default the first when it is not numeric or named like an id. "
        "'-': there is none."
    ),
]
_Scaler = Annotated[str, typer.Option("--scaler", "--scale", help="none, standard, minmax, row-mean or row-max.")]
_Constant = Annotated[str, typer.Option(help="Constant columns: refuse, drop or keep.")]
_Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
_MatrixOut = Annotated[
    Path | None, typer.Option("--write-matrix", help="Write the matrix that was clustered, as CSV or Parquet.")
]
_TimeLimit = Annotated[float | None, typer.Option("--time-limit-s", help="Seconds after which the work ends.")]
_Memory = Annotated[int, typer.Option("--memory-mb", help="Memory that the work may take.")]
_MinSupport = Annotated[float, typer.Option(help="Smallest share of transactions, above 0 and at most 1.")]
_MinConfidence = Annotated[float, typer.Option(help="Smallest confidence of a rule, above 0 and at most 1.")]
_MaxLength = Annotated[int | None, typer.Option(help="Largest number of items in an itemset.")]
_AllRules = Annotated[bool, typer.Option("--all-rules", help="Redundant rules too.")]
_MaxItemsets = Annotated[int, typer.Option(help="Itemsets after which the search ends.")]
_OnLimit = Annotated[str, typer.Option(help="At a limit: partial (a result marked so) or error.")]
_Baskets = Annotated[Path, typer.Option("--input", help="CSV or Parquet with the columns transaction,item.")]
_TransactionColumn = Annotated[str, typer.Option(help="Column that says which transaction a line belongs to.")]
_ItemColumn = Annotated[str, typer.Option(help="Column with the item.")]


def register(app: typer.Typer) -> None:
    from smartgrid.mining import event_commands

    event_commands.register(mine_app)
    app.add_typer(mine_app, name="mine")


@mine_app.command("kmeans")
def kmeans_command(
    input_file: _Input,
    k: Annotated[int | None, typer.Option(help="Number of clusters; without it, 2 to --max-k are tried.")] = None,
    max_k: Annotated[int, typer.Option(help="Largest number of clusters that is tried.")] = 10,
    id_column: _IdColumn = None,
    scaler: _Scaler = "none",
    constant_columns: _Constant = "refuse",
    seed: _Seed = 0,
    n_init: Annotated[int, typer.Option(help="Starts of scikit-learn's KMeans, of which the best is kept.")] = 10,
    write_matrix: _MatrixOut = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Read a Parquet file in pieces: it may be larger than memory.")
    ] = False,
    time_limit_s: _TimeLimit = None,
    memory_mb: _Memory = 4096,
    as_json: _Json = False,
) -> None:
    """K-Means clusters of the rows."""
    from smartgrid.mining import kmeans, kmeans_parquet, open_matrix
    from smartgrid.mining.engine import on_spark
    from smartgrid.mining.errors import ParameterOutOfRange

    limits = _limits(time_limit_s, memory_mb)
    if stream and not on_spark():  # Spark never reads a file at once
        if k is None or scaler != "none" or id_column is not None or write_matrix is not None:
            raise ParameterOutOfRange("stream", True, "with --k, and without --scaler, --id-column and --write-matrix")
        result = kmeans_parquet(input_file, k=k, seed=seed, limits=limits)
    else:
        matrix = open_matrix(input_file, id_column=id_column)
        result = kmeans(
            matrix,
            k=k,
            k_range=(2, max_k),
            scaler=scaler,
            constant_columns=constant_columns,
            seed=seed,
            n_init=n_init,
            limits=limits,
        )
        _write_matrix(write_matrix, matrix, scaler, constant_columns)
    if as_json:
        typer.echo(json.dumps(result.as_json()))
        return
    typer.echo(f"{result.rows} rows, k = {result.k}, inertia {result.inertia:.6g}, scaler {result.scaler}")
    typer.echo(f"silhouette {_number(result.silhouette)}, stability {_number(result.stability)}")
    for point in result.curve:
        typer.echo(
            f"  k {point.k:>3}  inertia {point.inertia:<12.6g} silhouette {_number(point.silhouette)} "
            f"stability {_number(point.stability)}"
        )
    for cluster, size in enumerate(result.sizes.tolist()):
        typer.echo(f"cluster {cluster}: {size} rows, mean of its centroid {result.centroids[cluster].mean():.6g}")


@mine_app.command("dbscan")
def dbscan_command(
    input_file: _Input,
    eps: Annotated[float | None, typer.Option(help="Radius; without it, the knee of the distances.")] = None,
    min_samples: Annotated[int, typer.Option(help="Rows within eps that make a core row, itself included.")] = 5,
    id_column: _IdColumn = None,
    scaler: _Scaler = "none",
    constant_columns: _Constant = "refuse",
    causes: Annotated[int, typer.Option(help="Columns that explain each outlier.")] = 5,
    seed: _Seed = 0,
    write_matrix: _MatrixOut = None,
    time_limit_s: _TimeLimit = None,
    memory_mb: _Memory = 4096,
    as_json: _Json = False,
) -> None:
    """Dense groups of rows, and the outliers with what is odd about them."""
    from smartgrid.mining import dbscan, open_matrix

    matrix = open_matrix(input_file, id_column=id_column)
    result = dbscan(
        matrix,
        eps=eps,
        min_samples=min_samples,
        scaler=scaler,
        constant_columns=constant_columns,
        causes=causes,
        seed=seed,
        limits=_limits(time_limit_s, memory_mb),
    )
    _write_matrix(write_matrix, matrix, scaler, constant_columns)
    if as_json:
        typer.echo(json.dumps(result.as_json()))
        return
    noise = int((result.labels < 0).sum())
    typer.echo(
        f"{result.rows} rows, {result.clusters} clusters, {noise} outliers; eps {result.eps:.6g} ({result.eps_source})"
    )
    for cluster, size in enumerate(result.sizes.tolist()):
        typer.echo(f"cluster {cluster}: {size} rows")
    for outlier in result.outliers[:20]:
        why = ", ".join(
            f"{cause.column} {cause.value:.6g} ({abs(cause.deviation):.3g} {cause.direction})"
            for cause in outlier.causes
        )
        typer.echo(f"outlier {outlier.row_id or outlier.row}: {why}")


@mine_app.command("apriori")
def apriori_command(
    input_file: _Baskets,
    min_support: _MinSupport,
    min_confidence: _MinConfidence = 0.5,
    max_length: _MaxLength = None,
    all_rules: _AllRules = False,
    transaction_column: _TransactionColumn = "transaction",
    item_column: _ItemColumn = "item",
    max_itemsets: _MaxItemsets = 1_000_000,
    time_limit_s: _TimeLimit = None,
    memory_mb: _Memory = 4096,
    on_limit: _OnLimit = "partial",
    as_json: _Json = False,
) -> None:
    """Frequent itemsets level by level, and their rules."""
    limits = _limits(time_limit_s, memory_mb, max_itemsets, on_limit)
    columns = (transaction_column, item_column)
    _associations("apriori", input_file, columns, min_support, min_confidence, max_length, all_rules, limits, as_json)


@mine_app.command("fp-growth")
def fp_growth_command(
    input_file: _Baskets,
    min_support: _MinSupport,
    min_confidence: _MinConfidence = 0.5,
    max_length: _MaxLength = None,
    all_rules: _AllRules = False,
    transaction_column: _TransactionColumn = "transaction",
    item_column: _ItemColumn = "item",
    max_itemsets: _MaxItemsets = 1_000_000,
    time_limit_s: _TimeLimit = None,
    memory_mb: _Memory = 4096,
    on_limit: _OnLimit = "partial",
    as_json: _Json = False,
) -> None:
    """Frequent itemsets depth first, and their rules."""
    limits = _limits(time_limit_s, memory_mb, max_itemsets, on_limit)
    columns = (transaction_column, item_column)
    _associations("fp_growth", input_file, columns, min_support, min_confidence, max_length, all_rules, limits, as_json)


def _associations(
    function: str,
    path: Path,
    columns: tuple[str, str],
    min_support: float,
    min_confidence: float,
    max_length: int | None,
    all_rules: bool,
    limits: MiningLimits,
    as_json: bool,
) -> None:
    from smartgrid import mining

    result = getattr(mining, function)(
        mining.open_baskets(path, transaction_column=columns[0], item_column=columns[1]),
        min_support=min_support,
        min_confidence=min_confidence,
        max_length=max_length,
        all_rules=all_rules,
        limits=limits,
    )
    if as_json:
        typer.echo(json.dumps(result.as_json()))
        return
    if result.partial:
        typer.echo(f"PARTIAL result: {result.partial_reason}")
    typer.echo(f"{result.transactions} transactions, {result.distinct_items} items")
    typer.echo(
        f"{len(result.itemset_table)} frequent itemsets; {result.rules_found} rules, "
        f"{len(result.rules)} of them given, the first 20:"
    )
    for rule in result.rules[:20]:
        typer.echo(
            f"  {' + '.join(rule.antecedent)} -> {' + '.join(rule.consequent)}  support {rule.support:.4f} "
            f"confidence {rule.confidence:.3f} lift {rule.lift:.2f} q {rule.q_value:.2g}"
        )


def _limits(
    time_limit_s: float | None, memory_mb: int, max_itemsets: int = 1_000_000, on_limit: str = "partial"
) -> MiningLimits:
    from smartgrid.mining.errors import ParameterOutOfRange
    from smartgrid.mining.limits import MiningLimits

    if on_limit not in ("partial", "error"):
        raise ParameterOutOfRange("on_limit", on_limit, "partial or error")
    kinds: dict[str, Any] = {"on_limit": on_limit}
    return MiningLimits(time_limit_s=time_limit_s, memory_mb=memory_mb, max_itemsets=max_itemsets, **kinds)


def _write_matrix(path: Path | None, matrix: Matrix | SparkMatrix, scaler: str, constant_columns: str) -> None:
    """The matrix as it was clustered: what scikit-learn has to be given to repeat the result."""
    if path is None:
        return
    import io

    import polars as pl

    from smartgrid.lake.files import write_bytes
    from smartgrid.mining.errors import ParameterOutOfRange
    from smartgrid.mining.limits import MiningLimits
    from smartgrid.mining.matrix import Matrix, checked
    from smartgrid.mining.scaling import prepared

    if not isinstance(matrix, Matrix):
        raise ParameterOutOfRange("write_matrix", str(path), "with SMARTGRID_ENGINE=local")
    used = checked(matrix, constant_columns=constant_columns, limits=MiningLimits())  # type: ignore[arg-type]
    frame = pl.DataFrame(prepared(used, scaler), schema=list(used.columns))
    if used.ids is not None:
        frame.insert_column(0, pl.Series(used.id_column or "id", used.ids))
    buffer = io.BytesIO()
    if path.suffix.lower() in {".parquet", ".pq"}:
        frame.write_parquet(buffer)
    else:
        frame.write_csv(buffer)
    write_bytes(str(path), buffer.getvalue())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
