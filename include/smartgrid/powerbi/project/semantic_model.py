"""The semantic model in TMDL: a table a reporting view, measures, the server as a parameter."""

from __future__ import annotations

from smartgrid.powerbi.project.identifiers import tag
from smartgrid.powerbi.project.measures import MEASURES
from smartgrid.store.reporting_views import SCHEMA, VIEWS, View

SERVER, DATABASE = "localhost:5432", "smartgrid"

_TYPES = {"string": "string", "float64": "double", "int64": "int64", "date": "dateTime", "timestamp[utc]": "dateTime"}
_FORMATS = {"date": "yyyy-mm-dd", "timestamp[utc]": "yyyy-mm-dd hh:nn", "int64": "0"}
# What is told apart by zone is filtered by the one list of zones.
_BY_ZONE = ("forecast_vs_measurement", "zone_error_daily", "load_clusters")


def semantic_model_files() -> dict[str, str]:
    """TMDL files by path under `definition/`."""
    files = {
        "database.tmdl": "database\n\tcompatibilityLevel: 1600\n",
        "model.tmdl": _model(),
        "expressions.tmdl": _parameter("Server", SERVER, "Host and port of PostgreSQL.")
        + "\n"
        + _parameter("Database", DATABASE, "Database of the results store."),
        "relationships.tmdl": "\n".join(_relationship(table) for table in _BY_ZONE),
    }
    return files | {f"tables/{view.name}.tmdl": _table(view) for view in VIEWS}


def _model() -> str:
    lines = [
        "model Model",
        "\tculture: en-US",
        "\tdefaultPowerBIDataSourceVersion: powerBI_V3",
        "\tsourceQueryCulture: en-US",
        "\tdataAccessOptions",
        "\t\tlegacyRedirects",
        "\t\treturnErrorValuesAsNull",
        "",
        # Power BI would add a hidden date table to every column with a time.
        "annotation __PBI_TimeIntelligenceEnabled = 0",
        "",
        *(f"ref table {view.name}" for view in VIEWS),
    ]
    return "\n".join(lines) + "\n"


def _parameter(name: str, value: str, meaning: str) -> str:
    return (
        f'/// {meaning}\nexpression {name} = "{value}" '
        'meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]\n'
        f"\tlineageTag: {tag('parameter', name)}\n\n"
        "\tannotation PBI_ResultType = Text\n"
    )


def _relationship(table: str) -> str:
    return f"relationship {tag('relationship', table)}\n\tfromColumn: {table}.zone\n\ttoColumn: zones.zone\n"


def _table(view: View) -> str:
    lines = [f"/// {view.meaning}", f"table {view.name}", f"\tlineageTag: {tag('table', view.name)}", ""]
    for measure in MEASURES:
        if measure.table == view.name:
            lines += [
                f"\t/// {measure.meaning}",
                f"\tmeasure '{measure.name}' = {measure.dax}",
                f"\t\tformatString: {measure.format}",
                f"\t\tlineageTag: {tag('measure', measure.name)}",
                "",
            ]
    for column in view.columns:
        unit = "" if column.field.unit in {"-", ""} else f" Unit: {column.field.unit}."
        lines += [f"\t/// {column.field.meaning}{unit}", f"\tcolumn {column.name}"]
        lines.append(f"\t\tdataType: {_TYPES[column.field.dtype]}")
        if view.key == (column.name,):
            lines.append("\t\tisKey")
        if column.field.dtype in _FORMATS:
            lines.append(f"\t\tformatString: {_FORMATS[column.field.dtype]}")
        lines += [
            f"\t\tlineageTag: {tag('column', view.name, column.name)}",
            # A sum of percentages or versions says nothing: aggregation is the measures' business.
            "\t\tsummarizeBy: none",
            f"\t\tsourceColumn: {column.name}",
            "",
            "\t\tannotation SummarizationSetBy = User",
            "",
        ]
    lines += [
        f"\tpartition {view.name} = m",
        "\t\tmode: import",
        "\t\tsource =",
        "\t\t\t\tlet",
        "\t\t\t\t    Source = PostgreSQL.Database(Server, Database),",
        f'\t\t\t\t    View = Source{{[Schema="{SCHEMA}", Item="{view.name}"]}}[Data]',
        "\t\t\t\tin",
        "\t\t\t\t    View",
        "",
        "\tannotation PBI_ResultType = Table",
    ]
    return "\n".join(lines) + "\n"
