"""Runs the REST application on uvicorn, in a thread of its own."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import uvicorn

from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.predict import ModelManager
from tf_serving.embedded.rest_app import RestApp


def bind(host: str, port: int) -> socket.socket:
    """Take the port without listening yet: until the first model is loaded, connections are refused.

    Raises:
        OSError: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise OSError(f"cannot serve REST on {host}:{port}: {error}") from None
    return taken


class RestServer:
    """Serves from `start` to `stop`."""

    def __init__(
        self,
        manager: ModelManager,
        listener: socket.socket,
        *,
        threads: int,
        timeout_s: float,
        metrics: Metrics,
        metrics_path: str | None,
        cors: bool = False,
    ) -> None:
        self._listener = listener
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="rest")
        config = uvicorn.Config(
            RestApp(
                manager, self._executor, timeout_s=timeout_s, metrics=metrics, metrics_path=metrics_path, cors=cors
            ),
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,  # longer than a client's pause between forecasts costs a reconnect
            timeout_graceful_shutdown=10,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="rest-server", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections and finish the requests under way."""
        self._server.should_exit = True
        self._thread.join()
        self._executor.shutdown()
        self._listener.close()
