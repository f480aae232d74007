"""TensorFlow's public C API by ctypes: the functions that load and run a SavedModel, and nothing else.

It is the same path as tensorflow_model_server's (LoadSavedModel, DirectSession), with TensorFlow's own status codes
and texts, and it starts in a second because no Python part of TensorFlow is loaded.
"""

from __future__ import annotations

import ctypes
import os
from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import Any

# NumPy's random module must be loaded before libtensorflow: the other way round the process crashes.
import numpy.random  # noqa: F401

from tf_serving.embedded.protos import tensorflow_folder
from tf_serving.embedded.status import Code, ServingError

_POINTER = ctypes.c_void_p


class Output(ctypes.Structure):
    """TF_Output: one output of one operation."""

    _fields_ = (("operation", _POINTER), ("index", ctypes.c_int))


class Buffer(ctypes.Structure):
    """TF_Buffer: bytes that the library owns."""

    _fields_ = (("data", _POINTER), ("length", ctypes.c_size_t), ("deallocator", _POINTER))


# Called when the last user of a tensor made by TF_NewTensor lets go of its memory: (data, length, argument).
Deallocator = ctypes.CFUNCTYPE(None, _POINTER, ctypes.c_size_t, _POINTER)

_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "TF_Version": (ctypes.c_char_p, []),
    "TF_NewStatus": (_POINTER, []),
    "TF_DeleteStatus": (None, [_POINTER]),
    "TF_GetCode": (ctypes.c_int, [_POINTER]),
    "TF_Message": (ctypes.c_char_p, [_POINTER]),
    "TF_NewBuffer": (ctypes.POINTER(Buffer), []),
    "TF_NewBufferFromString": (ctypes.POINTER(Buffer), [ctypes.c_char_p, ctypes.c_size_t]),
    "TF_DeleteBuffer": (None, [ctypes.POINTER(Buffer)]),
    "TF_NewSessionOptions": (_POINTER, []),
    "TF_SetConfig": (None, [_POINTER, ctypes.c_char_p, ctypes.c_size_t, _POINTER]),
    "TF_DeleteSessionOptions": (None, [_POINTER]),
    "TF_NewGraph": (_POINTER, []),
    "TF_DeleteGraph": (None, [_POINTER]),
    "TF_GraphOperationByName": (_POINTER, [_POINTER, ctypes.c_char_p]),
    "TF_OperationNumOutputs": (ctypes.c_int, [_POINTER]),
    "TF_LoadSessionFromSavedModel": (
        _POINTER,
        [
            _POINTER,
            ctypes.POINTER(Buffer),
            ctypes.c_char_p,
            ctypes.POINTER(ctypes.c_char_p),
            ctypes.c_int,
            _POINTER,
            ctypes.POINTER(Buffer),
            _POINTER,
        ],
    ),
    "TF_CloseSession": (None, [_POINTER, _POINTER]),
    "TF_DeleteSession": (None, [_POINTER, _POINTER]),
    "TF_SessionRun": (
        None,
        [
            _POINTER,
            ctypes.POINTER(Buffer),
            ctypes.POINTER(Output),
            ctypes.POINTER(_POINTER),
            ctypes.c_int,
            ctypes.POINTER(Output),
            ctypes.POINTER(_POINTER),
            ctypes.c_int,
            ctypes.POINTER(_POINTER),
            ctypes.c_int,
            ctypes.POINTER(Buffer),
            _POINTER,
        ],
    ),
    "TF_NewTensor": (
        _POINTER,
        [ctypes.c_int, ctypes.POINTER(ctypes.c_int64), ctypes.c_int, _POINTER, ctypes.c_size_t, Deallocator, _POINTER],
    ),
    "TF_AllocateTensor": (_POINTER, [ctypes.c_int, ctypes.POINTER(ctypes.c_int64), ctypes.c_int, ctypes.c_size_t]),
    "TF_DeleteTensor": (None, [_POINTER]),
    "TF_TensorType": (ctypes.c_int, [_POINTER]),
    "TF_NumDims": (ctypes.c_int, [_POINTER]),
    "TF_Dim": (ctypes.c_int64, [_POINTER, ctypes.c_int]),
    "TF_TensorByteSize": (ctypes.c_size_t, [_POINTER]),
    "TF_TensorData": (_POINTER, [_POINTER]),
}


# Only these let other Python threads run meanwhile. The rest return at once: to give up Python's lock around each of
# them, a dozen times a request, would make the threads queue for it again and again.
_LONG = frozenset(
    {"TF_LoadSessionFromSavedModel", "TF_SessionRun", "TF_CloseSession", "TF_DeleteSession", "TF_DeleteGraph"}
)


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The library of the installed TensorFlow, with typed functions.

    Raises:
        RuntimeError: TensorFlow is not installed, or its wheel carries no C library.
    """
    folder = tensorflow_folder()
    found = sorted(folder.glob("libtensorflow_cc.so*")) + sorted(folder.glob("libtensorflow_cc*.dylib"))
    if not found:
        raise RuntimeError(f"No libtensorflow_cc in {folder}: this build of TensorFlow has no C library.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Its own allocator never gives back what an unloaded model held: as much again as the largest two versions.
    os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
    handle = ctypes.CDLL(str(Path(found[0])), mode=os.RTLD_LOCAL | os.RTLD_NOW)
    brief = ctypes.PyDLL(str(Path(found[0])), mode=os.RTLD_LOCAL | os.RTLD_NOW)
    for name, (result, arguments) in _FUNCTIONS.items():
        if name not in _LONG:
            setattr(handle, name, getattr(brief, name))
        function = getattr(handle, name)
        function.restype, function.argtypes = result, arguments
    return handle


class Status:
    """TF_Status for one call; `check` raises what the call reported."""

    def __init__(self) -> None:
        self._library = library()
        self.pointer: int = self._library.TF_NewStatus()

    def __enter__(self) -> Status:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.TF_DeleteStatus(self.pointer)

    def give_back(self) -> None:
        """Keep it for the next call; every call of the library begins with setting it to OK."""
        _SPARE.append(self)

    def check(self) -> None:
        """
        Raises:
            ServingError: with TensorFlow's code and text.
        """
        code = self._library.TF_GetCode(self.pointer)
        if code:
            text = self._library.TF_Message(self.pointer).decode("utf-8", "replace")
            raise ServingError(Code(code) if code in set(Code) else Code.UNKNOWN, text)


_SPARE: deque[Status] = deque()


def lent_status() -> Status:
    """One that is free, or a new one; `give_back` ends the loan. There are as many as runs at the same time."""
    try:
        return _SPARE.pop()
    except IndexError:
        return Status()
