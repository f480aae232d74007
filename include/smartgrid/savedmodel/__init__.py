"""Any fitted model, exactly, as a TensorFlow SavedModel of core operations, with a proof of parity."""

from smartgrid.savedmodel.errors import ExportParityError, NotExportable
from smartgrid.savedmodel.export import ExportReport, export
from smartgrid.savedmodel.proof import ExportFacts, prove
from smartgrid.savedmodel.supported import exportable, why_not_exportable

__all__ = [
    "ExportFacts",
    "ExportParityError",
    "ExportReport",
    "NotExportable",
    "export",
    "exportable",
    "prove",
    "why_not_exportable",
]
