"""Loads models with or without batching, as the flags say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tf_serving.embedded.batch_scheduler import BatchScheduler
from tf_serving.embedded.batched_model import BatchedModel
from tf_serving.embedded.batching_parameters import BatchingParameters, read_batching_parameters
from tf_serving.embedded.runner import SavedModelRunner, Threads
from tf_serving.embedded.status import invalid


def batch_scheduler(enabled: bool, parameters_file: str) -> BatchScheduler | None:
    """The scheduler that all models share; None without `--enable_batching`.

    Raises:
        ServingError: the parameters cannot be used.
    """
    if not enabled:
        if parameters_file:
            raise invalid(
                "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."
            )
        return None
    if parameters_file:
        return BatchScheduler(read_batching_parameters(Path(parameters_file)))
    return BatchScheduler(BatchingParameters(thread_pool_name="model_server_batch_threads"))


def loader(
    scheduler: BatchScheduler | None, *, tags: tuple[str, ...], threads: Threads
) -> Callable[[Path], SavedModelRunner]:
    """What the manager calls for each version."""

    def load(folder: Path) -> SavedModelRunner:
        model = SavedModelRunner(folder, tags=tags, threads=threads)
        return model if scheduler is None else BatchedModel(model, scheduler)

    return load
