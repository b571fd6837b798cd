"""The Runtime protocol over accelerators that live in processes of their own."""

from collections.abc import Callable, Sequence

from edge_infer.errors import DelegateError, DelegateTimeoutError, ModelError
from edge_infer.runtime.isolated.messages import Loaded
from edge_infer.runtime.isolated.unit import TURN_S, Job, Unit, turns
from edge_infer.types import Array, TensorSpec


class IsolatedRuntime:
    """Runs one model on whichever of some accelerators is free; any failure is over with the call that raises it.

    Attributes:
        device: the accelerator that ran it last
        refusal: why an accelerator has not loaded the model at first
    """

    def __init__(self, job: Job, units: Sequence[Unit], on_close: Callable[[], object] = lambda: None) -> None:
        """Ask all accelerators to load the model; `ready` tells whether one has.

        Raises:
            ModelError: the model is to blame.
        """
        self.device = units[0].name
        self.refusal: DelegateError | None = None
        self._units = tuple(units)
        self._job = job
        self._on_close = on_close
        self._closed = False
        try:
            for unit in self._units:
                try:
                    unit.add(self._job)
                except DelegateError as error:
                    self.refusal = error
        except ModelError:
            self.close()
            raise

    @property
    def ready(self) -> bool:
        """Whether an accelerator has loaded the model once, so that its tensors are known."""
        return self._job.about is not None

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Of the model."""
        return tuple(tensor.spec() for tensor in self._about.inputs)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Of the model."""
        return tuple(tensor.spec() for tensor in self._about.outputs)

    @property
    def limit_s(self) -> float:
        """The longest that `run` may take, the wait for a turn included."""
        return TURN_S + self._job.deadline()

    @property
    def warm_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the outputs of the first run."""
        return [tensor.warm for tensor in self._about.outputs]

    @property
    def library(self) -> str:
        """Name and version of the library in the accelerator's process."""
        return self._about.library

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """See `Runtime.run`.

        Raises:
            ModelError: the model or its inputs are to blame.
            DelegateTimeoutError: there was no answer in time.
            DelegateError: no accelerator works now, or it failed while it ran.
        """
        if self._closed:
            raise ModelError(f"{self._job.model.path.name} was closed: load it again")
        try:
            free = turns.take(self._units, TURN_S, hopeful=self._job.alone)
        except TimeoutError:
            free = None
        if free is None:
            raise self._why_none()
        self.device = free.name
        return free.run(self._job, inputs)

    def _why_none(self) -> DelegateError:
        if any(unit.state == "running" for unit in self._units):
            return DelegateTimeoutError(f"{self.device} was not free within {TURN_S:g} s: too many use it")
        return self._units[0].refusal

    def close(self) -> None:
        """The accelerators forget the model."""
        if not self._closed:
            self._closed = True
            for unit in self._units:
                unit.remove(self._job)
            self._on_close()

    @property
    def _about(self) -> Loaded:
        if self._job.about is None:
            raise self.refusal or DelegateError(f"{self.device} has not loaded {self._job.model.path} yet")
        return self._job.about
