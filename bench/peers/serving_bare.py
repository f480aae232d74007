"""One run of a SavedModel without any server, in microseconds. Run by `serving.py`.

`python serving_bare.py FOLDER session|eager ROWS,COLUMNS float32|float64` prints {"p50_us": ..., "p99_us": ...}: by
TensorFlow's C API as the embedded server calls it, or by the eager call that most people write.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

CALLS = 3000


def session_call(folder: str, row: np.ndarray) -> Callable[[], object]:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tf_serving.embedded.runner import SavedModelRunner

    runner = SavedModelRunner(Path(folder))
    signature = runner.signatures["serving_default"]
    outputs = tuple(signature.outputs)
    return lambda: runner.run(signature, {"features": row}, outputs)


def eager_call(folder: str, row: np.ndarray) -> Callable[[], object]:
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    signature = loaded.signatures["serving_default"]
    # The model has to outlive its signature.
    return lambda: (loaded, [output.numpy() for output in signature(features=tf.constant(row)).values()])


if __name__ == "__main__":
    shape = tuple(int(size) for size in sys.argv[3].split(","))
    make = session_call if sys.argv[2] == "session" else eager_call
    call = make(sys.argv[1], np.full(shape, 0.5, sys.argv[4]))
    took_us = []
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        took_us.append((time.perf_counter() - began) * 1e6)
    p50, p99 = np.percentile(took_us[CALLS // 10 :], [50, 99])
    print(json.dumps({"p50_us": p50, "p99_us": p99}))
