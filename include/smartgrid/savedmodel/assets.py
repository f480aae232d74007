"""What travels beside the graph: the feature schema, rows with their known answers, and a fingerprint of all files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from smartgrid.features.schema import FeatureSchema
from smartgrid.savedmodel.errors import SavedModelDamaged

SCHEMA_FILE = "assets.extra/feature_schema.json"
KNOWN_ANSWERS_FILE = "assets.extra/known_answers.json"
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """A few rows (n, k) and the load in kW (n,) that the model gave for them before it was exported."""

    X: npt.NDArray[np.float64]
    load_kw: npt.NDArray[np.float64]

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"features": self.X.tolist(), "load_kw": self.load_kw.tolist()}), encoding="utf-8")

    @classmethod
    def read(cls, saved_model: Path) -> KnownAnswers:
        """From the folder of a SavedModel.

        Raises:
            SavedModelDamaged
        """
        content = _read_json(saved_model / KNOWN_ANSWERS_FILE)
        return cls(np.array(content["features"], dtype=np.float64), np.array(content["load_kw"], dtype=np.float64))


def read_schema(path: Path) -> FeatureSchema:
    """The feature schema inside a SavedModel.

    Raises:
        SavedModelDamaged
    """
    return FeatureSchema.model_validate(_read_json(path))


def fingerprint(saved_model: Path) -> str:
    """sha256 over names and contents of all files of a SavedModel.

    Raises:
        SavedModelDamaged: there is no saved_model.pb.
    """
    if not (saved_model / "saved_model.pb").is_file():
        raise SavedModelDamaged(saved_model, "no saved_model.pb")
    digest = hashlib.sha256()
    for path in sorted(saved_model.rglob("*")):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(saved_model).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def size_bytes(saved_model: Path) -> int:
    return sum(path.stat().st_size for path in saved_model.rglob("*") if path.is_file())


def _read_json(path: Path) -> dict[str, object]:
    try:
        content: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SavedModelDamaged(path, "is missing") from None
    except json.JSONDecodeError as error:
        raise SavedModelDamaged(path, f"is not JSON ({error})") from None
    return content
