"""Canonical status codes and the one error that a request can end with."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """The canonical codes of gRPC, TensorFlow and `StatusProto.error_code`: the same numbers everywhere."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServingError(Exception):
    """A request or a load failed with `code`; `message` is what the client reads."""

    def __init__(self, code: Code, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code.name}: {message}")


def invalid(message: str) -> ServingError:
    return ServingError(Code.INVALID_ARGUMENT, message)
