"""Answers messages that cannot be parsed.

grpc-python's own way of doing so keeps 17 KiB of every such call for ever, and a thread until the client hangs up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

_TEXT = "Exception deserializing request!"


class _Unreadable:
    """Stands for a request that could not be parsed."""


class UnreadableMessages(grpc.ServerInterceptor):  # type: ignore[misc]
    """Lets a message that cannot be parsed reach the handler as such, and answers INTERNAL there."""

    def __init__(self) -> None:
        self._guarded: dict[str, Any] = {}  # by method; only methods that exist get here

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """The handler of a call, with its parser and its behaviour guarded."""
        guarded = self._guarded.get(details.method)
        if guarded is None:
            handler = continuation(details)
            if handler is None or handler.unary_unary is None or handler.request_deserializer is None:
                return handler
            guarded = self._guarded[details.method] = grpc.unary_unary_rpc_method_handler(
                _answering(handler.unary_unary), _parsing(handler.request_deserializer), handler.response_serializer
            )
        return guarded


def _parsing(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def parse(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return _Unreadable()

    return parse


def _answering(behaviour: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def answer(request: Any, context: Any) -> Any:
        if type(request) is _Unreadable:
            context.abort(grpc.StatusCode.INTERNAL, _TEXT)
        return behaviour(request, context)

    return answer
