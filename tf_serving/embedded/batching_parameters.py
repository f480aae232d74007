"""BatchingParameters: how requests are joined (`--enable_batching`, `--batching_parameters_file`)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tf_serving.embedded.status import invalid
from tf_serving.embedded.text_proto import parse_file


@dataclass(frozen=True, slots=True)
class BatchingParameters:
    """The defaults are TensorFlow Serving's."""

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0
    thread_pool_name: str = "batch_threads"

    def __post_init__(self) -> None:
        """
        Raises:
            ServingError: INVALID_ARGUMENT; no server starts with such parameters.
        """
        for name, least in (
            ("max_batch_size", 1),
            ("batch_timeout_micros", 0),
            ("max_enqueued_batches", 0),
            ("num_batch_threads", 1),
            ("max_execution_batch_size", 0),
        ):
            if getattr(self, name) < least:
                kind = "positive" if least else "non-negative"
                raise invalid(f"{name} must be {kind}; was {getattr(self, name)}")
        if self.enable_large_batch_splitting and self.max_execution_batch_size > self.max_batch_size:
            raise invalid(
                "max_batch_size should be greater than or equal to max_execution_batch_size; "
                f"was {self.max_batch_size} and {self.max_execution_batch_size}"
            )
        self._check_allowed_sizes()

    @property
    def execution_limit(self) -> int:
        """Rows of the largest run."""
        if self.enable_large_batch_splitting and self.max_execution_batch_size:
            return self.max_execution_batch_size
        return self.max_batch_size

    def allowed_size(self, rows: int) -> int:
        """The size that a run of `rows` rows is filled up to."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)

    def _check_allowed_sizes(self) -> None:
        sizes = self.allowed_batch_sizes
        if not sizes:
            return
        if any(later <= earlier for earlier, later in pairwise(sizes)):
            raise invalid("allowed_batch_sizes entries must be monotonically increasing")
        if sizes[0] < 1:
            raise invalid(f"allowed_batch_sizes entries must be positive; was {sizes[0]}")
        if sizes[-1] != self.execution_limit:
            must = (
                "be equal to max_execution_batch_size" if self.enable_large_batch_splitting else "match max_batch_size"
            )
            raise invalid(
                f"Last entry in allowed_batch_sizes must {must}; last entry was {sizes[-1]}; "
                f"expected {self.execution_limit}"
            )


def read_batching_parameters(file: Path) -> BatchingParameters:
    """Read a BatchingParameters message in protobuf text format.

    Raises:
        ServingError: it cannot be read, or its values contradict each other.
    """
    message = _message_class()()
    parse_file(file, "--batching_parameters_file", message)
    given: dict[str, Any] = {name: getattr(message, name).value for name in _WRAPPED if message.HasField(name)}
    given["allowed_batch_sizes"] = tuple(message.allowed_batch_sizes)
    given["pad_variable_length_inputs"] = message.pad_variable_length_inputs
    return BatchingParameters(**given)


# Name -> (field number, message type) of the fields that are wrapped, so that "not given" differs from 0.
_WRAPPED = {
    "max_batch_size": (1, "Int64Value"),
    "batch_timeout_micros": (2, "Int64Value"),
    "max_enqueued_batches": (3, "Int64Value"),
    "num_batch_threads": (4, "Int64Value"),
    "thread_pool_name": (5, "StringValue"),
    "enable_large_batch_splitting": (8, "BoolValue"),
    "max_execution_batch_size": (9, "Int64Value"),
}


def _message_class() -> Any:
    """tensorflow-serving-api does not carry the message, so its fields are declared here."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    kind = descriptor_pb2.FieldDescriptorProto
    proto = descriptor_pb2.FileDescriptorProto(
        name="batching.proto", package="embedded", syntax="proto3", dependency=[wrappers.name]
    )
    message = proto.message_type.add(name="BatchingParameters")
    for name, (number, type_name) in _WRAPPED.items():
        message.field.add(
            name=name,
            number=number,
            type=kind.TYPE_MESSAGE,
            type_name=f".google.protobuf.{type_name}",
            label=kind.LABEL_OPTIONAL,
        )
    message.field.add(name="allowed_batch_sizes", number=6, type=kind.TYPE_INT64, label=kind.LABEL_REPEATED)
    message.field.add(name="pad_variable_length_inputs", number=7, type=kind.TYPE_BOOL, label=kind.LABEL_OPTIONAL)
    pool.Add(proto)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("embedded.BatchingParameters"))
