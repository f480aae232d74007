"""The command `python -m tf_serving.embedded`: one process that serves, or with --workers a family of them."""

from __future__ import annotations

import importlib.metadata
import logging
import sys
from collections.abc import Sequence

from tf_serving.embedded.flags import parse_flags, usage
from tf_serving.embedded.status import ServingError, invalid

log = logging.getLogger("tf_serving.embedded")

_FAILED = 255  # as tensorflow_model_server


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        flags, remarks = parse_flags(arguments)
    except ServingError as error:
        print(f"{usage()}\n{error.message}", flush=True)  # and on its standard output, as tensorflow_model_server
        return _FAILED
    for remark in remarks:
        print(remark, flush=True)
    if flags.version:
        print(_version())
        return 0
    # Imported here: the parent of workers must not carry what only they need.
    try:
        if not flags.model_base_path and not flags.model_config_file:
            print(usage())
            raise invalid("Both server_options.model_base_path and server_options.model_config_file are empty!")
        inter_op, intra_op = flags.tensorflow_inter_op_parallelism, flags.tensorflow_intra_op_parallelism
        if min(flags.tensorflow_session_parallelism, inter_op, intra_op) > 0:
            raise invalid(
                "Either configure server_options.tensorflow_session_parallelism or "
                "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
                "separately. You cannot configure all."
            )
        if flags.workers < 1:
            raise invalid(f"--workers must be at least 1, not {flags.workers}")
        if flags.workers > 1:
            from tf_serving.embedded.workers import supervise

            supervise(flags, arguments)
        else:
            from tf_serving.embedded.server import serve

            serve(flags)
    except (ServingError, RuntimeError, OSError) as error:
        text = f"Failed to start server. Error: {error}"
        log.error(text)
        print(text, flush=True)  # tensorflow_model_server says it on its standard output
        return _FAILED
    return 0


def _version() -> str:
    from tf_serving.embedded.tf_library import library

    return (
        f"TensorFlow ModelServer: {importlib.metadata.version('tensorflow-serving-api')} (tf_serving.embedded)\n"
        f"TensorFlow Library: {library().TF_Version().decode()}"
    )
