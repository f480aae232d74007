"""One call for notebooks and scripts: instances in, the server's JSON out."""

from __future__ import annotations

from typing import Any

from smartgrid.serving.rest_client import RestServingClient
from smartgrid.settings import get_settings


def predict_with_tf_serving(
    instances: Any,
    model_name: str | None = None,
    *,
    version: int | None = None,
    label: str | None = None,
    signature_name: str | None = None,
    rest_url: str | None = None,
    timeout_s: float = 30.0,
) -> dict[str, Any]:
    """Ask the model server by REST for predictions.

    Args:
        instances: one entry a row: lists, NumPy arrays, or objects with one value for each named input.
        model_name: default `SMARTGRID_MODEL_NAME`.
        rest_url: default `SMARTGRID_SERVING_REST_URL`, else the local server.

    Returns:
        The server's answer, `{"predictions": [...]}`, one entry a row; for the load forecast in kW.

    Raises:
        ServerUnreachable, DeadlineExceeded, ModelNotFound, PredictionRejected, UnexpectedAnswer
    """
    settings = get_settings()
    client = RestServingClient(rest_url or settings.rest_url, timeout_s=timeout_s)
    request: dict[str, Any] = {"instances": instances}
    if signature_name is not None:
        request["signature_name"] = signature_name
    try:
        return client.predict_json(model_name or settings.model_name, request, version=version, label=label)
    finally:
        client.close()
