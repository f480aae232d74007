"""A Keras network that is kept as plain data and made again when it is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.savedmodel.keras_rebuild import rebuild


class RebuiltNetwork:
    """Base of models with an `architecture` and `weights`; the network itself is never pickled."""

    architecture: dict[str, Any]
    weights: list[npt.NDArray[np.float32]]
    _network: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_network": None}

    @property
    def network(self) -> Any:
        """The keras.Model, in float64."""
        if self._network is None:
            self._network = rebuild(self.architecture, list(self.weights))
        return self._network
