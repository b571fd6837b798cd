"""A scripted runtime: what applications and tests use where no model is wanted."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from edge_infer.errors import ModelError
from edge_infer.runtime.runtime import NO_REDUCTION, Reduce
from edge_infer.types import Array, TensorSpec

Step = Sequence[Array] | Exception | Callable[[Sequence[Array]], Sequence[Array]]


class FakeRuntime:
    """Answers each `run` with the next step of a script; the last step repeats.

    A step is a list of outputs, an exception to raise, or a function of the inputs (which may block: a hang).
    """

    device = "fake"
    library = "fake"

    def __init__(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], script: Iterable[Step]) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.runs = 0
        self.closed = False
        self._script: Iterator[Step] = iter(script)
        self._step: Step = ModelError("the script of this FakeRuntime is empty")

    def run(self, inputs: Sequence[Array], reduce: Mapping[int, Reduce] = NO_REDUCTION) -> list[Array]:
        """The next step, after the same checks that a real runtime makes."""
        if self.closed:
            raise ModelError("this FakeRuntime is closed")
        if len(inputs) != len(self.inputs):
            raise ModelError(f"{len(inputs)} inputs were given, expected {len(self.inputs)}")
        for spec, value in zip(self.inputs, inputs, strict=True):
            if value.shape != spec.shape or value.dtype != spec.dtype:
                raise ModelError(
                    f"input '{spec.name}' is {value.shape} {value.dtype}, expected {spec.shape} {spec.dtype}"
                )
        self.runs += 1
        self._step = next(self._script, self._step)
        if isinstance(self._step, Exception):
            raise self._step
        outputs = self._step(inputs) if callable(self._step) else self._step
        return [reduce.get(place, np.copy)(output) for place, output in enumerate(outputs)]

    def close(self) -> None:
        """Refuse further runs."""
        self.closed = True
