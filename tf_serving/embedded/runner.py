"""One loaded SavedModel: arrays in, arrays out."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tf_serving.embedded.c_tensors import new_tensor, read_tensor
from tf_serving.embedded.completeness import check_complete
from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.inline_rule import InlineRule
from tf_serving.embedded.protos import config_pb2, meta_graph_pb2
from tf_serving.embedded.signature import Signature, TensorSpec
from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.tensor_proto import to_array
from tf_serving.embedded.tf_library import Output, Status, lent_status, library

# Running in the calling thread saves TensorFlow's thread hand-over (five times faster for a small model), but such a
# run cannot be timed out and its operations nest on the stack: only for graphs without loops and of limited size.
_INLINE_NODES = 500
_MOST_PLANS = 1024  # clients choose the order of inputs and outputs
_LOOPS = frozenset({"While", "StatelessWhile", "Enter", "RefEnter", "NextIteration", "Map", "MapDefun"})

# What a run of certain inputs and outputs needs beside the values: both as the C API names them, and both value lists.
_Plan = tuple[Any, Any, Any, Any]


class Threads(NamedTuple):
    """Sizes of TensorFlow's pools: within an operation, and of operations at once. 0: as many as cores."""

    intra_op: int = 0
    inter_op: int = 0


class SavedModelRunner:
    """A SavedModel in its own session. `run` may be called from many threads at once; `close` once, after the last."""

    checks_method_names = False  # whether requests are refused that ask a signature for what it is not made for

    def __init__(self, folder: Path, *, tags: tuple[str, ...] = ("serve",), threads: Threads | None = None) -> None:
        """Load `folder`.

        Raises:
            ServingError: with TensorFlow's code and text when it cannot be loaded.
        """
        self._library = library()
        self._graph: int | None = self._library.TF_NewGraph()
        self._session: int | None = None
        try:
            meta_graph = self._load(folder, tags, threads or Threads())
            check_complete(folder, meta_graph)
            self.signatures_proto = dict(meta_graph.signature_def)
            self.signatures = {
                name: _signature(proto) for name, proto in self.signatures_proto.items() if _is_callable(name, proto)
            }
            self._outputs = self._resolve_tensors()
            self._plans: dict[tuple[Any, ...], _Plan] = {}
        except BaseException:
            self.close()
            raise
        self.inline = InlineRule(applies=_runs_inline(meta_graph.graph_def))
        inline_options = config_pb2.RunOptions(inter_op_thread_pool=-1).SerializeToString()
        self._inline_options = self._library.TF_NewBufferFromString(inline_options, len(inline_options))

    def _load(self, folder: Path, tags: tuple[str, ...], threads: Threads) -> Any:
        tf = self._library
        config = config_pb2.ConfigProto(
            intra_op_parallelism_threads=threads.intra_op, inter_op_parallelism_threads=threads.inter_op
        ).SerializeToString()
        options, buffer = tf.TF_NewSessionOptions(), tf.TF_NewBuffer()
        try:
            with Status() as status:
                tf.TF_SetConfig(options, config, len(config), status.pointer)
                status.check()
                tag_array = (ctypes.c_char_p * len(tags))(*(tag.encode() for tag in tags))
                self._session = tf.TF_LoadSessionFromSavedModel(
                    options, None, str(folder).encode(), tag_array, len(tags), self._graph, buffer, status.pointer
                )
                status.check()
            serialized = ctypes.string_at(buffer.contents.data, buffer.contents.length)
        finally:
            tf.TF_DeleteBuffer(buffer)
            tf.TF_DeleteSessionOptions(options)
        return meta_graph_pb2.MetaGraphDef.FromString(serialized)

    def _resolve_tensors(self) -> dict[str, Output]:
        """Every tensor of every signature, looked up once; a wrong name must fail the load, not a request."""
        resolved: dict[str, Output] = {}
        for signature in self.signatures.values():
            for spec in (*signature.inputs.values(), *signature.outputs.values()):
                operation_name, _, index = spec.feed_name.rpartition(":")
                operation = self._library.TF_GraphOperationByName(self._graph, operation_name.encode())
                position = int(index) if index.isdigit() else 0
                if not operation or position >= self._library.TF_OperationNumOutputs(operation):
                    raise ServingError(Code.INVALID_ARGUMENT, f"Tensor {spec.feed_name} is not in the graph")
                resolved[spec.feed_name] = Output(operation, position)
        return resolved

    def run(
        self,
        signature: Signature,
        inputs: Mapping[str, Array],
        outputs: tuple[str, ...],
        timeout_s: float | None = None,
    ) -> dict[str, Array]:
        """Run the model once. `inputs` by alias, each of its alias's type; returns `outputs` by alias.

        Raises:
            ServingError: with TensorFlow's code and text; DEADLINE_EXCEEDED after `timeout_s`.
        """
        tf = self._library
        plan = self._plans.get((id(signature), *inputs, None, *outputs))
        if plan is None:
            plan = self._new_plan(signature, tuple(inputs), outputs)
        feeds, fetches, values_in, values_out = plan
        feed_values, fetch_values = values_in(), values_out()
        options, own_options = self._run_options(timeout_s)
        status = lent_status()
        try:
            for position, array in enumerate(inputs.values()):
                feed_values[position] = new_tensor(array)
            tf.TF_SessionRun(
                self._session, options, feeds, feed_values, len(inputs), fetches, fetch_values, len(outputs),
                None, 0, None, status.pointer,
            )  # fmt: skip
            status.check()
            return {alias: read_tensor(value) for alias, value in zip(outputs, fetch_values, strict=True)}
        finally:
            for tensor in feed_values:
                if tensor:
                    tf.TF_DeleteTensor(tensor)
            for tensor in fetch_values:
                if tensor:
                    tf.TF_DeleteTensor(tensor)
            if own_options:
                tf.TF_DeleteBuffer(options)
            status.give_back()

    def _new_plan(self, signature: Signature, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> _Plan:
        plan = (
            (Output * len(inputs))(*(self._outputs[signature.inputs[alias].feed_name] for alias in inputs)),
            (Output * len(outputs))(*(self._outputs[signature.outputs[alias].feed_name] for alias in outputs)),
            ctypes.c_void_p * len(inputs),
            ctypes.c_void_p * len(outputs),
        )
        # Kept for the model's own signatures: those live as long as it does, so no other object can have their id.
        if len(self._plans) < _MOST_PLANS and any(own is signature for own in self.signatures.values()):
            self._plans[(id(signature), *inputs, None, *outputs)] = plan
        return plan

    def _run_options(self, timeout_s: float | None) -> tuple[Any, bool]:
        """The TF_Buffer with RunOptions, and whether the caller has to delete it."""
        if self.inline.applies:
            return self._inline_options, False
        if timeout_s is None:
            return None, False
        serialized = config_pb2.RunOptions(timeout_in_ms=max(1, int(timeout_s * 1000))).SerializeToString()
        return self._library.TF_NewBufferFromString(serialized, len(serialized)), True

    def close(self) -> None:
        """Free the session and its graph."""
        with Status() as status:
            if self._session:
                self._library.TF_CloseSession(self._session, status.pointer)
                self._library.TF_DeleteSession(self._session, status.pointer)
                self._session = None
            if self._graph:
                self._library.TF_DeleteGraph(self._graph)
                self._graph = None
        options = getattr(self, "_inline_options", None)
        if options is not None:
            self._library.TF_DeleteBuffer(options)
            self._inline_options = None


def _is_callable(name: str, proto: Any) -> bool:
    """Whether requests can name this signature: not the loader's own entry, and dense tensors only."""
    tensors = (*proto.inputs.values(), *proto.outputs.values())
    return not name.startswith("__saved_model") and all(info.WhichOneof("encoding") == "name" for info in tensors)


def _signature(proto: Any) -> Signature:
    return Signature(
        inputs={alias: TensorSpec(info.name, info.dtype) for alias, info in sorted(proto.inputs.items())},
        outputs={alias: TensorSpec(info.name, info.dtype) for alias, info in sorted(proto.outputs.items())},
        defaults={alias: to_array(alias, value) for alias, value in getattr(proto, "defaults", {}).items()},
    )


def _runs_inline(graph_def: Any) -> bool:
    bodies = [graph_def.node, *(function.node_def for function in graph_def.library.function)]
    if sum(len(nodes) for nodes in bodies) > _INLINE_NODES:
        return False
    return not any(node.op in _LOOPS for nodes in bodies for node in nodes)
