"""Finds versions that are still being written: TensorFlow loads a graph without its variables and says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tf_serving.embedded.status import Code, ServingError

_VARIABLES = frozenset({"VarHandleOp", "VariableV2", "Variable"})


def check_complete(folder: Path, meta_graph: Any) -> None:
    """
    Raises:
        ServingError: NOT_FOUND, the graph has variables to restore and the folder has no values for them.
    """
    if not meta_graph.saver_def.restore_op_name or any((folder / "variables").glob("variables*")):
        return
    if any(node.op in _VARIABLES for node in meta_graph.graph_def.node):
        raise ServingError(
            Code.NOT_FOUND,
            f"Could not find the variables of the SavedModel at {folder / 'variables'}. Is it still being written?",
        )
