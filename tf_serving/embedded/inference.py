"""Classify, Regress and MultiInference: signatures that take tf.Examples in `inputs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tf_serving.embedded import dtypes
from tf_serving.embedded.dtypes import TF_TYPES, Array
from tf_serving.embedded.examples import example_tensor
from tf_serving.embedded.method_names import CLASSIFY_METHOD, REGRESS_METHOD, check_method_name
from tf_serving.embedded.model_manager import ModelManager
from tf_serving.embedded.model_run import ModelRun, Observe, Steps
from tf_serving.embedded.predict import Target
from tf_serving.embedded.protos import types_pb2
from tf_serving.embedded.request_log import log_inference, log_multi_inference
from tf_serving.embedded.runner import SavedModelRunner
from tf_serving.embedded.signature import DEFAULT_SIGNATURE, Signature, TensorSpec
from tf_serving.embedded.status import Code, ServingError, invalid

_LOGS = {CLASSIFY_METHOD: "classify_log", REGRESS_METHOD: "regress_log"}
_INPUTS, _CLASSES, _SCORES, _OUTPUTS = "inputs", "classes", "scores", "outputs"

Fill = Callable[[Any, int, Mapping[str, Array]], None]


@dataclass(frozen=True, slots=True)
class Task:
    """One signature of a MultiInference request and how it is asked."""

    target: Target
    method_name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Which version and signature answered."""

    version: int
    signature_name: str


def infer(
    manager: ModelManager,
    target: Target,
    method_name: str,
    message: Any,
    result: Any,
    deadline: float | None,
    observe: Observe | None = None,
) -> Steps[Answer]:
    """The steps of one classification or regression of the Input `message`; they fill the result message.

    Raises:
        ServingError: with the code and text that TensorFlow Serving gives.
    """
    with manager.lease(target.model, target.version, target.label) as servable:
        name = target.signature_name or DEFAULT_SIGNATURE
        signature = servable.model.signatures.get(name)
        if signature is None:
            raise invalid(f"No signature was found with the name: {name}")
        outputs, fill = _method(servable.model, name, method_name)
        examples = example_tensor(message)
        arrays = yield ModelRun(servable.model, signature, {_INPUTS: examples}, outputs, deadline, observe)
        fill(result, len(examples), arrays)
        settings = manager.request_log(target.model)
        if settings is not None:
            log_inference(settings, (target.model, servable.version, name), _LOGS[method_name], message, result)
        return Answer(servable.version, name)


def multi_infer(
    manager: ModelManager,
    tasks: Sequence[Task],
    message: Any,
    new_result: Callable[[Task, Answer], Any],
    deadline: float | None,
    observe: Observe | None = None,
) -> Steps[None]:
    """The steps that run several signatures of one model on the same examples, in one run of the graph.

    Raises:
        ServingError: with the code and text that TensorFlow Serving gives.
    """
    first = tasks[0].target if tasks else Target("")
    if not first.model:
        raise invalid("ModelSpec has no name specified.")
    with manager.lease(first.model, first.version, first.label) as servable:
        model = servable.model
        names = [task.target.signature_name or DEFAULT_SIGNATURE for task in tasks]
        feeds: set[TensorSpec] = set()
        fetches: dict[str, TensorSpec] = {}
        fills: list[tuple[Fill, dict[str, str]]] = []
        for position, (task, name) in enumerate(zip(tasks, names, strict=True)):
            if not task.target.model:
                raise invalid("Found ModelSpec with an empty model name.")
            if task.target.model != first.model:
                raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
            if name in names[:position]:
                raise invalid(f"Duplicate evaluation of signature: {name}")
            signature = model.signatures.get(name)
            if signature is None:
                raise invalid(f"Requested signature not found in model graph: {name}")
            outputs, fill = _method(model, name, task.method_name)
            feeds.add(signature.inputs[_INPUTS])
            if len(feeds) > 1:
                raise invalid("Input tensor must be the same for all Signatures.")
            tensors = {alias: signature.outputs[alias].feed_name for alias in outputs}
            fetches |= {tensor: signature.outputs[alias] for alias, tensor in tensors.items()}
            fills.append((fill, tensors))
        examples = example_tensor(message)
        joined = Signature(inputs={_INPUTS: feeds.pop()}, outputs=fetches)
        arrays = yield ModelRun(model, joined, {_INPUTS: examples}, tuple(fetches), deadline, observe)
        results = []
        for task, name, (fill, tensors) in zip(tasks, names, fills, strict=True):
            result = new_result(task, Answer(servable.version, name))
            results.append(result)
            own = {alias: arrays[tensor] for alias, tensor in tensors.items()}
            part = result.classification_result if task.method_name == CLASSIFY_METHOD else result.regression_result
            part.SetInParent()
            fill(part, len(examples), own)
        settings = manager.request_log(first.model)
        if settings is not None:
            specs = [(first.model, servable.version, name) for name in names]
            methods = [task.method_name for task in tasks]
            log_multi_inference(settings, specs[0], list(zip(specs, methods, strict=True)), message, results)


def _method(model: SavedModelRunner, name: str, method_name: str) -> tuple[tuple[str, ...], Fill]:
    """The outputs to fetch, and how to write them."""
    signature = model.signatures[name]
    if model.checks_method_names:
        check_method_name(model.signatures_proto[name], method_name)
    if method_name == CLASSIFY_METHOD:
        return _classification_outputs(signature, model.signatures_proto[name]), _fill_classifications
    if method_name == REGRESS_METHOD:
        return _regression_outputs(signature, model.signatures_proto[name]), _fill_regressions
    raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {method_name}")


def _classification_outputs(signature: Signature, proto: Any) -> tuple[str, ...]:
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if _INPUTS not in signature.inputs:
        raise invalid(f"No classification inputs found in SignatureDef: {proto}")
    found = tuple(alias for alias in (_CLASSES, _SCORES) if alias in signature.outputs)
    if not found:
        raise invalid(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature was: {proto}'
        )
    return found


def _regression_outputs(signature: Signature, proto: Any) -> tuple[str, ...]:
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if _INPUTS not in signature.inputs:
        raise invalid(f"No regression inputs found in SignatureDef: {proto}")
    if _OUTPUTS not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {proto}")
    return (_OUTPUTS,)


def _fill_classifications(result: Any, examples: int, arrays: Mapping[str, Array]) -> None:
    for alias, wanted in ((_CLASSES, dtypes.DT_STRING), (_SCORES, dtypes.DT_FLOAT)):
        array = arrays.get(alias)
        if array is None:
            continue
        number = TF_TYPES[array.dtype]
        if array.ndim != 2:
            raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
        if number != wanted:
            raise invalid(f"Expected {alias} Tensor of {_enum_name(wanted)}. Got: {_enum_name(number)}")
        if len(array) != examples:
            raise invalid(f"Expected {alias} output batch size of {examples}. Got: {len(array)}")
    classes, scores = arrays.get(_CLASSES), arrays.get(_SCORES)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    for row in range(examples):
        entries = result.classifications.add().classes
        labels = [text.decode("utf-8", "replace") for text in classes[row]] if classes is not None else None
        values = scores[row].tolist() if scores is not None else None
        for position in range(len(labels if labels is not None else values or ())):
            entry = entries.add()
            if labels is not None:
                entry.label = labels[position]
            if values is not None:
                entry.score = values[position]


def _fill_regressions(result: Any, examples: int, arrays: Mapping[str, Array]) -> None:
    array = arrays[_OUTPUTS]
    if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
        raise invalid(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {_shape(array)}"
        )
    if len(array) != examples:
        raise invalid(f"Input batch size did not match output batch size: {examples} vs. {len(array)}")
    number = TF_TYPES[array.dtype]
    if number != dtypes.DT_FLOAT:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {_enum_name(number)}")
    for value in array.ravel().tolist():
        result.regressions.add(value=value)


def _shape(array: Array) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"


def _enum_name(number: int) -> str:
    name: str = types_pb2.DataType.Name(number)
    return name
