"""Predict, whichever protocol it came by: find the version, check the names, run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.method_names import check_predict_method
from tf_serving.embedded.model_manager import ModelManager
from tf_serving.embedded.model_run import ModelRun, Observe, Steps
from tf_serving.embedded.request_log import log_predict
from tf_serving.embedded.signature import DEFAULT_SIGNATURE, Signature
from tf_serving.embedded.status import Code, ServingError, invalid


@dataclass(frozen=True, slots=True)
class Target:
    """What a request names."""

    model: str
    version: int | None = None
    label: str | None = None
    signature_name: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What answered, and the outputs by alias."""

    version: int
    signature_name: str
    outputs: Mapping[str, Array]


def predict(
    manager: ModelManager,
    target: Target,
    read_inputs: Callable[[Signature], Mapping[str, Array]],
    *,
    output_filter: Sequence[str] = (),
    deadline: float | None = None,
    unknown_signature: Callable[[str], ServingError],
    observe: Observe | None = None,
) -> Steps[Prediction]:
    """The steps of one request. `read_inputs` turns its body into arrays once the signature is known.

    Raises:
        ServingError: with the code and text that TensorFlow Serving gives.
    """
    with manager.lease(target.model, target.version, target.label) as servable:
        signature_name = target.signature_name or DEFAULT_SIGNATURE
        signature = servable.model.signatures.get(signature_name)
        if signature is None:
            raise unknown_signature(signature_name)
        if servable.model.checks_method_names:
            check_predict_method(servable.model.signatures_proto[signature_name])
        sent = inputs = read_inputs(signature)
        check_inputs(signature, inputs)
        if len(inputs) < len(signature.inputs):
            inputs = {
                **{alias: signature.defaults[alias] for alias in signature.inputs if alias not in inputs},
                **inputs,
            }
        outputs = _wanted_outputs(signature, output_filter)
        arrays = yield ModelRun(servable.model, signature, inputs, outputs, deadline, observe)
        settings = manager.request_log(target.model)
        if settings is not None:
            log_predict(settings, (target.model, servable.version, signature_name), sent, arrays, output_filter)
        return Prediction(servable.version, signature_name, arrays)


def unknown_signature_grpc(name: str) -> ServingError:
    return ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')


def unknown_signature_rest(name: str) -> ServingError:
    return invalid(f'Serving signature name: "{name}" not found in signature def')


def check_inputs(signature: Signature, inputs: Mapping[str, object]) -> None:
    """
    Raises:
        ServingError: an input is missing, or one is sent that the signature has not.
    """
    if len(inputs) > len(signature.inputs) or (len(inputs) < len(signature.inputs) and not signature.defaults):
        raise invalid(
            f"input size does not match signature: {len(inputs)}!={len(signature.inputs)} "
            f"len({_names(inputs)}) != len({_names(signature.inputs)}). "
            f"Sent extra: {_names(set(inputs) - set(signature.inputs))}. "
            f"Missing but required: {_names(set(signature.inputs) - set(inputs))}."
        )
    for alias, spec in signature.inputs.items():
        if alias not in inputs and alias not in signature.defaults:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {spec.feed_name}) not found in request and no default "
                f"value provided. Inputs expected to be in the request {_names(inputs)}, or default input alias set: "
                f"{','.join(sorted(signature.defaults))}"
            )
    if any(alias not in signature.inputs for alias in inputs):
        # Only where there are defaults: without, a surplus name leaves another one missing.
        used = ",".join(sorted(alias for alias in inputs if alias in signature.inputs))
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {used}, request input: {','.join(sorted(inputs))}"
        )


def _wanted_outputs(signature: Signature, output_filter: Sequence[str]) -> tuple[str, ...]:
    if not output_filter:
        return tuple(signature.outputs)
    for position, alias in enumerate(output_filter):
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_names(signature.outputs)}."
            )
        if alias in output_filter[:position]:
            raise invalid(f"duplicate output tensor alias: {alias}")
    return tuple(output_filter)


def _names(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
