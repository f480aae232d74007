"""Any fitted model, exactly, as a TensorFlow SavedModel of core operations, with a proof of parity."""

from smartgrid.savedmodel.errors import ExportParityError, NotExportable
from smartgrid.savedmodel.export import ExportReport, export
from smartgrid.savedmodel.supported import exportable, why_not_exportable

__all__ = ["ExportParityError", "ExportReport", "NotExportable", "export", "exportable", "why_not_exportable"]
