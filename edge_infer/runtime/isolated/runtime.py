"""The Runtime protocol over accelerators that live in processes of their own."""

import logging
from collections.abc import Callable, Mapping, Sequence

from edge_infer.errors import DelegateError, DelegateTimeoutError, ModelError
from edge_infer.runtime.isolated.generation import LOAD_S
from edge_infer.runtime.isolated.job import Job
from edge_infer.runtime.isolated.messages import Loaded
from edge_infer.runtime.isolated.unit import TURN_S, Unit, turns
from edge_infer.runtime.runtime import NO_REDUCTION, Reduce
from edge_infer.types import Array, TensorSpec

log = logging.getLogger(__name__)


class IsolatedRuntime:
    """Runs one model on whichever of some accelerators is free; any failure is over with the call that raises it.

    Attributes:
        device: the accelerator that ran it last
        remembers: the model itself keeps what it was given before, until `forget`, or a run that fails: it begins anew
            then. What it keeps is in one process, so it stays on one accelerator until then
    """

    def __init__(self, job: Job, units: Sequence[Unit], on_close: Callable[[], object] = lambda: None) -> None:
        """Ask all accelerators to load the model; `refusal` tells whether one has.

        Raises:
            ModelError: the model is to blame.
        """
        self.device = units[0].name
        self._units = tuple(units)
        self._job = job
        self._on_close = on_close
        self._closed = False
        self.remembers = job.remembers
        self._kept_by: Unit | None = None  # the accelerator that has what the model was given; None: it begins anew
        try:
            for unit in self._units:
                try:
                    unit.add(self._job)
                except DelegateError as error:
                    log.debug("%s has not loaded %s: %s", unit.name, job.model.path, error)
        except ModelError:
            self.close()
            raise

    @property
    def refusal(self) -> DelegateError | None:
        """Why no accelerator can run the model now; None where one can."""
        return self._refusal_of(self._units)

    def _refusal_of(self, units: Sequence[Unit]) -> DelegateError | None:
        if self._job.about is not None and any(unit.state == "running" for unit in units):
            return None
        return units[0].refusal

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
        return TURN_S + (LOAD_S if self.remembers else 0.0) + self._job.deadline()

    @property
    def warm_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the outputs of the first run."""
        return [tensor.warm for tensor in self._about.outputs]

    @property
    def library(self) -> str:
        """Name and version of the library in the accelerator's process."""
        return self._about.library

    def run(self, inputs: Sequence[Array], reduce: Mapping[int, Reduce] = NO_REDUCTION) -> list[Array]:
        """See `Runtime.run`.

        Raises:
            ModelError: the model or its inputs are to blame.
            DelegateTimeoutError: there was no answer in time.
            DelegateError: no accelerator works now, it failed while it ran, or what the model has kept is lost.
        """
        if self._closed:
            raise ModelError(f"{self._job.model.path.name} was closed: load it again")
        keeper, self._kept_by = self._kept_by, None  # of what fails nobody knows how much was kept
        wanted = (keeper,) if keeper else self._units
        try:  # nothing is kept by one that is still to come
            free = turns.take(wanted, TURN_S, hopeful=self._job.alone and keeper is None)
        except TimeoutError:
            free = None
        if free is None:
            raise self._refusal_of(wanted) or DelegateTimeoutError(
                f"{self.device} was not free within {TURN_S:g} s: too many use it"
            )
        self.device = free.name
        outputs = free.run(self._job, inputs, follows=keeper is not None)
        self._kept_by = free if self.remembers else None
        return [reduce[place](output) if place in reduce else output for place, output in enumerate(outputs)]

    def forget(self) -> None:
        """The model has heard nothing yet, wherever it runs next."""
        self._kept_by = None

    def close(self) -> None:
        """The accelerators give the model back."""
        if not self._closed:
            self._closed = True
            for unit in self._units:
                unit.remove(self._job)
            self._on_close()

    @property
    def _about(self) -> Loaded:
        if self._job.about is None:
            raise self._units[0].refusal
        return self._job.about
