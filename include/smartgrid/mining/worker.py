"""`python -m smartgrid.mining.worker`: a warm process that answers one mining request after another.

Frames on standard input and output: 8 bytes length, then that many bytes. A request is one frame (JSON: `method` and
`request`), an answer two (JSON head, JSON body). The first answer says `ready`. It ends with its standard input.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import sys
from typing import Any, BinaryIO

from smartgrid.mining.errors import MiningError
from smartgrid.mining.on_request import answer, encoded
from smartgrid.settings import get_settings

LENGTH = struct.Struct(">Q")
PR_SET_PDEATHSIG = 1


def main() -> int:
    # The service may be killed while a computation runs, which looks at no pipe.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # Ctrl-C reaches the whole group; the service ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    # What a library prints must not get between the frames.
    os.dup2(2, 1)
    settings = get_settings()
    warm_up()
    _write(answers, {"ready": True}, b"{}")
    while (frame := _read(requests)) is not None:
        task = json.loads(frame)
        try:
            body = encoded(answer(task["method"], task["request"], settings))
            head: dict[str, Any] = {"ok": True}
        except MiningError as error:
            head = {"ok": False, "kind": type(error).__name__, "field": error.field, "limit": error.limit}
            body = json.dumps(str(error)).encode()
        _write(answers, head, body)
    return 0


def warm_up() -> None:
    """Use every method once: the first call of each imports what it needs."""
    settings = get_settings()
    rows = [[float(number), float(number % 3)] for number in range(12)]
    common = {"data": rows, "scaler": "none", "constant_columns": "refuse", "seed": 0}
    answer("kmeans", common | {"k": 2, "max_k": 3, "n_init": 1}, settings)
    answer("dbscan", common | {"eps": 1.5, "min_samples": 2, "causes": 1}, settings)
    for method in ("apriori", "fp-growth"):
        baskets = {"transactions": [["a", "b"], ["a", "b", "c"], ["c"]]}
        chosen = {"min_support": 0.3, "min_confidence": 0.5, "max_length": None, "all_rules": False}
        answer(method, baskets | chosen, settings)


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(LENGTH.size)
    return stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else None


def _write(stream: BinaryIO, head: dict[str, Any], body: bytes) -> None:
    first = json.dumps(head).encode()
    stream.write(LENGTH.pack(len(first)) + first + LENGTH.pack(len(body)))
    stream.write(body)
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
