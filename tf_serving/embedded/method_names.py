"""The method names of signatures, which `--enable_signature_method_name_check` has checked.

Models of TensorFlow 2 say "predict" of every signature; hence the check is off unless asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_serving.embedded.status import Code, ServingError, invalid

if TYPE_CHECKING:
    from tf_serving.embedded.runner import SavedModelRunner

PREDICT_METHOD = "tensorflow/serving/predict"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"
_KINDS = {CLASSIFY_METHOD: "classification", REGRESS_METHOD: "regression"}


def check_predict_method(proto: Any) -> None:
    """
    Raises:
        ServingError: INTERNAL, as TensorFlow Serving says it, for a SignatureDef that is none for requests.
    """
    if proto.method_name not in (PREDICT_METHOD, CLASSIFY_METHOD, REGRESS_METHOD):
        raise ServingError(
            Code.INTERNAL,
            f"Expected prediction signature method_name to be one of {{{PREDICT_METHOD}, {CLASSIFY_METHOD}, "
            f"{REGRESS_METHOD}}}. Was: {proto.method_name}",
        )


def check_method_name(proto: Any, wanted: str) -> None:
    """
    Raises:
        ServingError: INVALID_ARGUMENT for a SignatureDef of another kind than `wanted`.
    """
    if wanted in _KINDS and proto.method_name != wanted:
        raise invalid(f"Expected {_KINDS[wanted]} signature method_name to be {wanted}. Was: {proto.method_name}")


def with_method_names_checked(load: Callable[[Path], SavedModelRunner]) -> Callable[[Path], SavedModelRunner]:
    """`load`, with requests to the loaded models checked."""

    def load_checking(folder: Path) -> SavedModelRunner:
        model = load(folder)
        model.checks_method_names = True
        return model

    return load_checking
