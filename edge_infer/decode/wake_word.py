"""The mean of a model's last scores: a wake word is heard over several results."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from edge_infer.types import Array, Classes, Geometry, TensorSpec


class WakeWordDecoder:
    """One class, or none where the mean is below `min_score`; belongs to one stream.

    Until there are `mean_of` results those that are missing count as 0.
    """

    task = "classify"
    remembers = True

    def __init__(self, spec: TensorSpec, label: str, *, min_score: float, mean_of: int) -> None:
        self._spec = spec
        self._label = label
        self._min_score = min_score
        self._scores: deque[float] = deque(maxlen=mean_of)
        self._mean_of = mean_of

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Classes:
        """Decode one inference; the geometry does not matter."""
        self._scores.append(float(self._spec.real(outputs[0]).reshape(-1)[0]))
        mean = sum(self._scores) / self._mean_of
        heard = mean >= self._min_score
        return Classes(
            np.zeros(int(heard), np.int64), np.full(int(heard), mean, np.float32), (self._label,) if heard else ()
        )

    def forget(self) -> None:
        """The next result does not follow the last."""
        self._scores.clear()
