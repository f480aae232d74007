"""Reads a MOJO, the file in which H2O hands out a model, into plain numbers.

A MOJO is a zip file: `model.ini` describes the model, `trees/tCC_TTT.bin` are the trees of class CC as a byte stream.
The layout of both is that of H2O's reader (hex.genmodel.algos.tree.SharedTreeMojoModel.scoreTree in h2o-3 3.46).
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.savedmodel.errors import NotExportable
from smartgrid.savedmodel.h2o_models import INVERSE_LINKS, H2OForest, H2OLinear, H2OModel, H2OStack
from smartgrid.savedmodel.trees import Forest, Tree

COLUMN = "C"  # inputs are named C0, C1, ...: whatever they are called elsewhere
ONLY_A_LEAF = 0xFFFF
MISSING_AGAINST_REST, MISSING_LEFT, LEFT = 1, 2, 4  # directions of missing values


def read_mojo(content: bytes) -> H2OModel:
    """The model inside a MOJO whose columns are named C0, C1, ...

    Raises:
        NotExportable: an algorithm, link or split that has no translation; it is named.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return _read(archive, "")


@dataclass(frozen=True, slots=True)
class _Description:
    """The content of a model.ini."""

    info: dict[str, str]
    columns: list[str]

    @classmethod
    def read(cls, archive: zipfile.ZipFile, place: str) -> _Description:
        info: dict[str, str] = {}
        columns: list[str] = []
        section = ""
        for line in archive.read(f"{place}model.ini").decode("utf-8").splitlines():
            if line.startswith("["):
                section = line
            elif section == "[info]" and " = " in line:
                key, _, value = line.partition(" = ")
                info[key.strip()] = value.strip()
            elif section == "[columns]" and line:
                columns.append(line)
        return cls(info, columns)

    @property
    def inputs(self) -> npt.NDArray[np.int32]:
        """Which input each column of the model is."""
        named = [re.fullmatch(rf"{COLUMN}(\d+)", name) for name in self.columns[: int(self.info["n_features"])]]
        return np.array([int(match.group(1)) for match in named if match is not None], dtype=np.int32)

    def floats(self, key: str) -> npt.NDArray[np.float64]:
        return np.array(json.loads(self.info[key]), dtype=np.float64)


def _read(archive: zipfile.ZipFile, place: str) -> H2OModel:
    description = _Description.read(archive, place)
    algorithm = description.info["algo"]
    if description.info["category"] != "Regression":
        raise NotExportable(f"H2O {algorithm}", f"{description.info['category']} is not regression")
    if int(description.info["n_domains"]) > 0:
        raise NotExportable(f"H2O {algorithm}", "categorical columns have no translation")
    reader = _READERS.get(algorithm)
    if reader is None:
        raise NotExportable(f"H2O {algorithm}", "its MOJO has no exact translation")
    return reader(archive, place, description)


def _link(description: _Description, key: str) -> str:
    link = description.info.get(key, "identity").lower()
    if link not in INVERSE_LINKS:
        raise NotExportable(f"H2O {description.info['algo']}", f"link {link!r} has no translation")
    return link


def _forest(archive: zipfile.ZipFile, place: str, description: _Description) -> Forest:
    count = int(description.info["n_trees"])
    return Forest.of([_tree(archive.read(f"{place}trees/t00_{number:03d}.bin")) for number in range(count)])


def _gbm(archive: zipfile.ZipFile, place: str, description: _Description) -> H2OModel:
    offset = float(description.info["init_f"])
    trees = _forest(archive, place, description)
    return H2OForest(description.inputs, trees, offset, 1.0, _link(description, "link_function"))


def _drf(archive: zipfile.ZipFile, place: str, description: _Description) -> H2OModel:
    trees = _forest(archive, place, description)
    return H2OForest(description.inputs, trees, 0.0, float(len(trees.root)), "identity")


def _glm(archive: zipfile.ZipFile, place: str, description: _Description) -> H2OModel:
    return _linear(description, description.inputs)


def _linear(description: _Description, columns: npt.NDArray[np.int32]) -> H2OLinear:
    beta = description.floats("beta")
    fill = description.floats("num_means") if description.info["mean_imputation"] == "true" else None
    if len(beta) != len(columns) + 1:
        raise NotExportable("H2O glm", f"{len(beta)} coefficients for {len(columns)} columns")
    return H2OLinear(columns, beta[:-1], float(beta[-1]), fill, _link(description, "link"))


def _stack(archive: zipfile.ZipFile, place: str, description: _Description) -> H2OModel:
    info = description.info
    if info["metalearner_transform"] != "NONE":
        raise NotExportable("H2O stackedensemble", f"metalearner transform {info['metalearner_transform']}")
    numbers = range(int(info["submodel_count"]))
    places = {info[f"submodel_key_{number}"]: place + info[f"submodel_dir_{number}"] for number in numbers}
    final = _Description.read(archive, places[info["metalearner"]])
    if final.info["algo"] != "glm":
        raise NotExportable("H2O stackedensemble", f"metalearner {final.info['algo']} has no translation")
    # Members without weight are left out of the file; their place in the metalearner's row stays.
    used = [number for number in range(int(info["base_models_num"])) if f"base_model{number}" in info]
    members = tuple(_read(archive, places[info[f"base_model{number}"]]) for number in used)
    whole = _linear(final, np.arange(int(final.info["n_features"]), dtype=np.int32))
    fill = None if whole.fill is None else whole.fill[used]
    columns = np.arange(len(used), dtype=np.int32)
    return H2OStack(members, H2OLinear(columns, whole.weights[used], whole.intercept, fill, whole.link))


_READERS: dict[str, Callable[[zipfile.ZipFile, str, _Description], H2OModel]] = {
    "drf": _drf,
    "gbm": _gbm,
    "glm": _glm,
    "stackedensemble": _stack,
}


def _tree(stream: bytes) -> Tree:
    """One tree. A node is: type (1 byte), column (2), direction of missing values (1), threshold (float32), then the
    length of its left subtree, the left subtree and the right one; a leaf stands in its parent as a float32."""
    left: list[int] = []
    right: list[int] = []
    feature: list[int] = []
    threshold: list[float] = []
    missing_left: list[bool] = []
    value: list[float] = []

    def new() -> int:
        for column in (left, right):
            column.append(-1)
        feature.append(0)
        threshold.append(np.inf)
        missing_left.append(True)
        value.append(0.0)
        return len(left) - 1

    def leaf(at: int) -> int:
        node = new()
        value[node] = struct.unpack_from("<f", stream, at)[0]
        return node

    root = new()
    if struct.unpack_from("<H", stream, 1)[0] == ONLY_A_LEAF:
        value[root] = struct.unpack_from("<f", stream, 3)[0]
    pending = [] if struct.unpack_from("<H", stream, 1)[0] == ONLY_A_LEAF else [(root, 0)]
    while pending:
        node, at = pending.pop()
        kind, column, direction = struct.unpack_from("<BHB", stream, at)
        at += 4
        feature[node] = column
        missing_left[node] = direction in (MISSING_LEFT, LEFT)
        if direction != MISSING_AGAINST_REST:
            if kind & 12:
                raise NotExportable("H2O tree", "a categorical split has no translation")
            # H2O sends a value that equals the threshold to the right; here it would go left.
            threshold[node] = float(np.nextafter(struct.unpack_from("<f", stream, at)[0], -np.inf, dtype=np.float64))
            at += 4
        left_kind, right_kind = kind & 51, (kind & 0xC0) >> 2
        if left_kind & 16:
            left[node], at = leaf(at), at + 4
        else:
            width = left_kind + 1
            length = int.from_bytes(stream[at : at + width], "little")
            left[node] = new()
            pending.append((left[node], at + width))
            at += width + length
        if right_kind & 16:
            right[node] = leaf(at)
        else:
            right[node] = new()
            pending.append((right[node], at))
    return Tree(
        np.array(left, dtype=np.int64),
        np.array(right, dtype=np.int64),
        np.array(feature, dtype=np.int64),
        np.array(threshold, dtype=np.float64),
        np.array(missing_left, dtype=np.bool_),
        np.array(value, dtype=np.float64),
    )
