"""Frames of a file, made ready while the model is busy with those before."""

import time
from collections.abc import Callable

from edge_infer.errors import InputError
from edge_infer.feeding import Prepared
from edge_infer.model import Model
from edge_infer.prepare.image import ImagePreparer
from edge_infer.types import Frame

AHEAD_BYTES = 8_000_000  # of frames and of inputs that wait; one frame in 4K is more
MOST_AHEAD = 8  # so that threads wake each other once for several frames; more gains nothing (measured)


class Ahead:
    """Prepares frames for what `model` gives, which may change; for one thread, with so many `workers` after it."""

    def __init__(self, model: Callable[[], Model | None], workers: int) -> None:
        self._model = model
        self._workers = workers
        self._of: Model | None = None
        self._prepare: ImagePreparer | None = None
        self._depth = MOST_AHEAD

    def depth(self, frame: Frame) -> int:
        """How many frames like this one may wait."""
        return max(1, min(self._depth, AHEAD_BYTES // max(1, frame.data.nbytes)))

    def __call__(self, frame: Frame) -> Prepared | None:
        """The frame as the model's input; None for what the model must be given itself, and will say why."""
        model = self._model()
        if model is not self._of:
            self._of, self._prepare = model, self._preparer(model) if model else None
        if self._prepare is None:
            return None
        started = time.perf_counter()
        try:
            tensor, geometry = self._prepare(frame.data)
        except InputError:
            return None
        return Prepared(self._prepare, tensor, geometry, (time.perf_counter() - started) * 1e3)

    def _preparer(self, model: Model) -> ImagePreparer | None:
        """With a buffer for each that waits, for that which is made, and for each worker."""
        self._depth = max(1, min(MOST_AHEAD, AHEAD_BYTES // model.input_bytes))
        return model.preparer(self._depth + 1 + self._workers)
