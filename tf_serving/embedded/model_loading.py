"""How a version becomes a model that runs: loaded, batched and warmed up, as the flags say."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tf_serving.embedded.batch_scheduler import BatchScheduler
from tf_serving.embedded.batched_loading import loader
from tf_serving.embedded.method_names import with_method_names_checked
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.runner import SavedModelRunner, Threads
from tf_serving.embedded.warmup import warmed_up


def load_function(
    flags: argparse.Namespace, scheduler: BatchScheduler | None, metrics: Metrics
) -> Callable[[Path], SavedModelRunner]:
    """Turns a version directory into a model, or raises ServingError."""
    both = flags.tensorflow_session_parallelism
    threads = Threads(flags.tensorflow_intra_op_parallelism or both, flags.tensorflow_inter_op_parallelism or both)
    if scheduler is not None:
        scheduler.observe_waits = partial(metrics.observe_queuing, scheduler.parameters.thread_pool_name)
    load = loader(scheduler, tags=tuple(flags.saved_model_tags.split(",")), threads=threads)
    if flags.enable_signature_method_name_check:
        load = with_method_names_checked(load)
    if flags.enable_model_warmup:
        load = warmed_up(load, metrics, iterations=max(1, flags.num_request_iterations_for_warmup))
    return load
