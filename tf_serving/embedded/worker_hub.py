"""What the parent of workers answers them: the truth about all."""

from __future__ import annotations

import threading
from typing import Any

from tf_serving.embedded.manager import Manager
from tf_serving.embedded.model_config_json import from_json
from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.worker_fleet import FleetVersion, WorkerFleet
from tf_serving.embedded.worker_process import WorkerProcess


class WorkerHub:
    """`stop` is set when the server is to end."""

    def __init__(self, manager: Manager[FleetVersion], fleet: WorkerFleet, stop: threading.Event) -> None:
        self._manager, self._fleet, self._stop = manager, fleet, stop
        self._given_up: set[tuple[WorkerProcess, int]] = set()

    def picture(self) -> dict[str, Any]:
        """What requests find now: the names of the configured models, and for those that answer their versions, with
        the numbers they were loaded under, and labels."""
        return {
            "names": list(self._manager.model_names()),
            "request_logs": {
                name: (settings.filename_prefix, settings.sampling_rate)
                for name in self._manager.model_names()
                if (settings := self._manager.request_log(name)) is not None
            },
            "models": {
                name: {
                    "versions": [(version, servable.model.number) for version, servable in served.versions.items()],
                    "labels": dict(served.labels),
                }
                for name, served in self._manager.serving().models.items()
            },
        }

    def answer(self, worker: WorkerProcess, question: str, body: Any) -> Any:
        """Answer a question of `worker`.

        Raises:
            ServingError: the answer is an error.
        """
        match question:
            case "statuses":
                return [
                    [status.version, int(status.state), int(status.code), status.message]
                    for status in self._manager.statuses(*body)
                ]
            case "reload":
                number, configs = body
                return self._reload(worker, number, configs)
            case "wait_no_more":
                return self._given_up.add((worker, body))
            case "metrics":
                return self._fleet.metrics_text()
            case "counted":
                return self._fleet.metrics.note(worker, *body)
        raise ServingError(Code.UNIMPLEMENTED, f"no such question: {question}")

    def _reload(self, worker: WorkerProcess, number: int, configs: list[dict[str, Any]]) -> None:
        ticket = (worker, number)

        def still_wanted() -> bool:
            return ticket not in self._given_up and not worker.gone.is_set() and not self._stop.is_set()

        try:
            self._manager.reload([from_json(config) for config in configs], still_wanted)
        finally:
            self._given_up.discard(ticket)
