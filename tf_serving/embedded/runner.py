"""One loaded SavedModel: arrays in, arrays out."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_serving.embedded import string_tensor
from tf_serving.embedded.dtypes import DT_STRING, NUMPY_TYPES, TF_TYPES, Array, type_name
from tf_serving.embedded.protos import config_pb2, meta_graph_pb2
from tf_serving.embedded.signature import Signature, TensorSpec
from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.tensor_proto import to_array
from tf_serving.embedded.tf_library import Deallocator, Output, Status, library

# Running in the calling thread saves TensorFlow's thread hand-over (five times faster for a small model), but such a
# run cannot be timed out and its operations nest on the stack: only for graphs without loops and of limited size.
_INLINE_NODES = 500
_LOOPS = frozenset({"While", "StatelessWhile", "Enter", "RefEnter", "NextIteration", "Map", "MapDefun"})

# Memory of string tensors that TensorFlow still uses, by address.
_LENT: dict[int, Any] = {}


def _forget_lent(address: int, _length: int, _argument: int) -> None:
    _LENT.pop(address, None)


_return_lent = Deallocator(_forget_lent)


class Threads(NamedTuple):
    """Sizes of TensorFlow's pools: within an operation, and of operations at once. 0: as many as cores."""

    intra_op: int = 0
    inter_op: int = 0


class SavedModelRunner:
    """A SavedModel in its own session. `run` may be called from many threads at once; `close` once, after the last."""

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
            self.signatures_proto = dict(meta_graph.signature_def)
            self.signatures = {
                name: _signature(proto) for name, proto in self.signatures_proto.items() if _is_callable(name, proto)
            }
            self._outputs = self._resolve_tensors()
        except BaseException:
            self.close()
            raise
        self.runs_inline = _runs_inline(meta_graph.graph_def)
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
        feeds = (Output * len(inputs))(*(self._outputs[signature.inputs[alias].feed_name] for alias in inputs))
        fetches = (Output * len(outputs))(*(self._outputs[signature.outputs[alias].feed_name] for alias in outputs))
        feed_values = (ctypes.c_void_p * len(inputs))()
        fetch_values = (ctypes.c_void_p * len(outputs))()
        options, own_options = self._run_options(timeout_s)
        try:
            for position, array in enumerate(inputs.values()):
                feed_values[position] = self._tensor(array)
            with Status() as status:
                tf.TF_SessionRun(
                    self._session, options, feeds, feed_values, len(inputs), fetches, fetch_values, len(outputs),
                    None, 0, None, status.pointer,
                )  # fmt: skip
                status.check()
            return {alias: self._array(value) for alias, value in zip(outputs, fetch_values, strict=True)}
        finally:
            for tensor in (*feed_values, *fetch_values):
                if tensor:
                    tf.TF_DeleteTensor(tensor)
            if own_options:
                tf.TF_DeleteBuffer(options)

    def _run_options(self, timeout_s: float | None) -> tuple[Any, bool]:
        """The TF_Buffer with RunOptions, and whether the caller has to delete it."""
        if self.runs_inline:
            return self._inline_options, False
        if timeout_s is None:
            return None, False
        serialized = config_pb2.RunOptions(timeout_in_ms=max(1, int(timeout_s * 1000))).SerializeToString()
        return self._library.TF_NewBufferFromString(serialized, len(serialized)), True

    def _tensor(self, array: Array) -> int:
        # A copy, so that no NumPy memory has to outlive the run; `order` keeps a scalar a scalar.
        array = np.asarray(array, order="C")
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        if array.dtype.hasobject:
            return self._string_tensor(array, dims)
        tensor: int | None = self._library.TF_AllocateTensor(TF_TYPES[array.dtype], dims, array.ndim, array.nbytes)
        if tensor is None:
            raise ServingError(Code.RESOURCE_EXHAUSTED, f"No memory for an input of {array.nbytes} bytes")
        if array.nbytes:
            ctypes.memmove(self._library.TF_TensorData(tensor), array.ctypes.data, array.nbytes)
        return tensor

    def _string_tensor(self, array: Array, dims: Any) -> int:
        if not array.size:
            empty: int = self._library.TF_AllocateTensor(DT_STRING, dims, array.ndim, 0)
            return empty
        structures, texts = string_tensor.packed(array.ravel().tolist())
        address = ctypes.addressof(structures)
        _LENT[address] = structures, texts
        tensor: int = self._library.TF_NewTensor(
            DT_STRING, dims, array.ndim, address, string_tensor.SIZE * array.size, _return_lent, None
        )
        return tensor

    def _array(self, tensor: int) -> Array:
        tf = self._library
        number = tf.TF_TensorType(tensor)
        dtype = NUMPY_TYPES.get(number)
        if dtype is None:
            text = f"The embedded server does not give tensors of type {type_name(number)}"
            raise ServingError(Code.UNIMPLEMENTED, text)
        shape = tuple(tf.TF_Dim(tensor, axis) for axis in range(tf.TF_NumDims(tensor)))
        if number == DT_STRING:
            return string_tensor.unpacked(tf.TF_TensorData(tensor) or 0, math.prod(shape)).reshape(shape)
        array = np.empty(shape, dtype)
        if array.nbytes:
            ctypes.memmove(array.ctypes.data, tf.TF_TensorData(tensor), array.nbytes)
        return array

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
