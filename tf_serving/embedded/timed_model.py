"""Measures the model's own part of each request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.runner import SavedModelRunner
from tf_serving.embedded.signature import Signature


def timed(load: Callable[[Path], SavedModelRunner], metrics: Metrics) -> Callable[[Path], SavedModelRunner]:
    """`load`, with every run of the loaded model observed."""

    def load_timed(folder: Path) -> SavedModelRunner:
        model = load(folder)
        untimed = model.run

        def run(
            signature: Signature,
            inputs: Mapping[str, Array],
            outputs: tuple[str, ...],
            timeout_s: float | None = None,
        ) -> dict[str, Array]:
            started = time.perf_counter()
            result = untimed(signature, inputs, outputs, timeout_s)
            metrics.observe_run(inputs, (time.perf_counter() - started) * 1e6)
            return result

        # On the object, not by a wrapper: whoever asks for the model's other sides finds them where they are.
        setattr(model, "run", run)  # noqa: B010 - a plain assignment to a method is refused by the type checker
        return model

    return load_timed
