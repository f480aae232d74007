"""A mining request that was too large to be answered at once: the step of the DAG `mine_on_request`."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from smartgrid.lake.files import write_bytes
from smartgrid.mining.dataset_files import DatasetChanged
from smartgrid.mining.errors import MiningError, ParameterOutOfRange, UnreadableInput
from smartgrid.mining.on_request import answer, encoded
from smartgrid.mining.request_files import JOB_ID, REFUSAL, REQUEST, RESULT, jobs_folder
from smartgrid.settings import get_settings


def answer_request(job_id: str, sha256: str) -> dict[str, Any]:
    """Work off the stored request `job_id`, whose content has `sha256`; the result is a file beside it.

    A request that was answered already is not worked off again.

    Raises:
        MiningError: the request is refused; `refusal.json` says so too.
    """
    if not JOB_ID.match(job_id):
        raise ParameterOutOfRange("job_id", job_id, "mine- and 32 hexadecimal digits")
    folder = jobs_folder(get_settings()) / job_id
    request_file, result_file = folder / REQUEST, folder / RESULT
    if not request_file.is_file():
        raise UnreadableInput(job_id, "there is no such stored request", "the id of a request that was accepted")
    began = time.monotonic()
    if not result_file.exists():
        data = request_file.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DatasetChanged(str(request_file), sha256)
        task = json.loads(data)
        try:
            result = encoded(answer(task["method"], task["request"], get_settings()))
        except MiningError as error:
            told = {"kind": type(error).__name__, "field": error.field, "limit": error.limit, "message": str(error)}
            write_bytes(str(folder / REFUSAL), json.dumps(told).encode())
            raise
        write_bytes(str(result_file), result)
    content = result_file.read_bytes()
    return {
        "job_id": job_id,
        "uri": str(result_file),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "seconds": round(time.monotonic() - began, 3),
    }
