"""A model that can be called with a picture, on an accelerator or on what stands in for it."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self

from edge_infer.engine import Engine, Said, finished
from edge_infer.errors import DelegateError, EdgeInferError, InputError, ModelError
from edge_infer.feeding import Prepared
from edge_infer.kinds.kind import Recipe
from edge_infer.placement import Accelerated
from edge_infer.prepare.image import ImagePreparer
from edge_infer.runtime.delegate import AbsentError
from edge_infer.runtime.isolated.runtime import IsolatedRuntime
from edge_infer.runtime.runtime import Runtime
from edge_infer.sources.images import read_image
from edge_infer.types import Array, Frame, ModelId, Result, Status, Wanted

SPARE_S = 60.0  # an accelerator that works for so long needs no stand-in: its memory is given back


class Second(Protocol):
    """Another model that is asked about what the first one has found (cascading.py).

    Attributes:
        model: the other one
        trouble: why it does not answer as it should; None: it does
        limit_s: how long it may take for all of a frame
    """

    model: "Model"
    trouble: str | None

    @property
    def limit_s(self) -> float:
        """See the class."""

    def __call__(self, frame: Frame, result: Result) -> Result:
        """The result with what the other model says."""

    def forget(self) -> None:
        """Begin anew."""


class Model:
    """Call it with a path or a BGR array; it belongs to the thread that uses it.

    Attributes:
        engine: what answered last, or will answer first
        fallback_reason: why that is not the accelerator that the model has a file for
        status: of its results: degraded where an accelerator is there and fails
        heals: it replaces an accelerator that fails: the next frame may be asked about
        limit_s: how long it may take until it answers or says that it cannot; None: nobody knows
        second: asked about what it has found; it is closed with this one
    """

    def __init__(
        self,
        accelerated: Accelerated | None,
        open_cpu: Callable[[], Engine] | None,
        refusal: DelegateError | None = None,
    ) -> None:
        """At least one of the two; `open_cpu` stands in while the accelerator fails.

        Raises:
            DelegateError: the accelerator is not ready, and nothing stands in.
        """
        self._accelerated = accelerated
        self._open_cpu = open_cpu
        self._cpu: Engine | None = None
        self._refusal = refusal
        self._cpu_used_at = time.monotonic()
        self._calls = 0
        self.second: Second | None = None
        self._closed = False
        self.heals = accelerated is not None and isinstance(accelerated.runtime, IsolatedRuntime)
        try:
            self.engine = self._first_engine()
        except BaseException:
            self.close()
            raise

    def _first_engine(self) -> Engine:
        if self._accelerated:
            try:
                return self._accelerated.engine()
            except DelegateError as error:
                if self._open_cpu is None:
                    raise
                self._refusal = error
        return self._on_cpu()

    @property
    def id(self) -> ModelId:
        """Name, version and sha256 of the file that runs."""
        return self.engine.id

    @property
    def recipe(self) -> Recipe:
        """How it is used."""
        return self.engine.recipe

    @property
    def task(self) -> str:
        """classify, detect or tensors."""
        return self.engine.recipe.task

    @property
    def wanted(self) -> Wanted | None:
        """The windows of samples that it takes; None: it takes pictures."""
        return self.engine.feed.wanted

    @property
    def device(self) -> str:
        """What runs it."""
        return self.engine.runtime.device

    @property
    def runtime(self) -> Runtime:
        """What runs it, in more detail."""
        return self.engine.runtime

    @property
    def fallback_reason(self) -> str | None:
        """See the class."""
        if self._refusal:
            return str(self._refusal)
        return self.second.trouble if self.second else None

    @property
    def status(self) -> Status:
        """See the class."""
        return "degraded" if self._fails or (self.second and self.second.trouble) else "ok"

    @property
    def _fails(self) -> bool:
        """True while an accelerator that is there does not work."""
        return self._refusal is not None and not isinstance(self._refusal, AbsentError)

    @property
    def limit_s(self) -> float | None:
        """See the class."""
        runtime = self._accelerated.runtime if self._accelerated else None
        own_s = runtime.limit_s if isinstance(runtime, IsolatedRuntime) else None
        return (own_s or 0.0) + self.second.limit_s if self.second else own_s

    def __call__(self, image: str | Path | Array) -> Result:
        """The result for one picture: a path, or a `(height, width, 3) uint8` BGR array.

        Raises:
            UnavailableError: there is no such file.
            InputError: it is no picture, or the model takes samples.
        """
        if self.wanted:
            raise InputError(
                f"{self.id} takes windows of {self.wanted.samples} samples: give it a source, "
                "`for result in stream(open_source('x.wav'), model)`; or one window as a Frame, `model.predict(frame)`"
            )
        path = str(image) if isinstance(image, str | Path) else None
        data = read_image(Path(image)) if isinstance(image, str | Path) else image
        frame = Frame("call", self._calls, data, time.time(), time.monotonic_ns(), path)
        self._calls += 1
        if path:
            self.forget()  # a picture of its own; arrays may be a stream
        return self.predict(frame)

    def predict(self, frame: Frame) -> Result:
        """The result for one frame, with the time of each stage.

        Raises:
            InputError: the frame is not what the model takes.
            ModelError: the runtime failed.
            DelegateError: the accelerator failed, and nothing stands in.
        """
        return self.ask(frame)()

    def ask(self, frame: Frame, prepared: Prepared | None = None) -> Said:
        """As `predict`, but decoding is left to whoever calls what this returns; `prepared`: by `preparer`."""
        if self._closed:
            raise ModelError(f"{self.id} was closed: load it again")
        said = self._asked(frame, prepared)
        return finished(self.second(frame, said())) if self.second else said

    @property
    def input_bytes(self) -> int:
        """What an input takes in memory."""
        return sum(math.prod(spec.shape) * spec.dtype.itemsize for spec in self.engine.runtime.inputs)

    def preparer(self, buffers: int) -> ImagePreparer | None:
        """What makes pictures ready ahead, in another thread: so many `buffers` are filled in turn.

        None for samples, and for a model that remembers what it was given.
        """
        return self.engine.feed.another_preparer(buffers)

    def _asked(self, frame: Frame, prepared: Prepared | None) -> Said:
        started = time.perf_counter()
        if self._accelerated:
            try:
                return self._asked_accelerated(self._accelerated, frame, prepared)
            except DelegateError as error:
                if self._open_cpu is None or not self.heals:
                    raise
                self._refusal = error
        failed_ms = (time.perf_counter() - started) * 1e3
        self.engine = self._on_cpu()
        said = self.engine.ask(frame, prepared)
        if not self._fails:
            return said
        result = said()
        if result.status == "error":
            return finished(result)
        timings = {"failed": failed_ms, **result.timings_ms}
        return finished(replace(result, status="degraded", error=str(self._refusal), timings_ms=timings))

    def _asked_accelerated(self, accelerated: Accelerated, frame: Frame, prepared: Prepared | None) -> Said:
        engine = accelerated.engine()
        said = engine.ask(frame, prepared)
        if self._cpu and self._refusal:
            self._cpu.feed.forget()  # if it stands in again, that follows nothing
        self.engine = engine
        self._refusal = None
        if self._cpu and time.monotonic() - self._cpu_used_at > SPARE_S:
            self._close_cpu()
        return said

    def _on_cpu(self) -> Engine:
        if self._cpu is None:
            assert self._open_cpu is not None  # noqa: S101 - one of the two is there
            self._cpu = self._open_cpu()
        self._cpu_used_at = time.monotonic()
        return self._cpu

    def _close_cpu(self) -> None:
        if self._cpu:
            self._cpu.runtime.close()
            self._cpu = None

    def forget(self) -> None:
        """Begin anew: a model that is fed with what it said about the last frame forgets that."""
        if self._accelerated:
            self._accelerated.forget()
        if self._cpu:
            self._cpu.feed.forget()
        if self.second:
            self.second.forget()

    def close(self) -> None:
        """Free the runtime."""
        self._closed = True
        self._close_cpu()
        if self._accelerated:
            self._accelerated.runtime.close()
        if self.second:
            self.second.model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def load_on(device: str | None, load: Callable[[], Model], count: int) -> list[Model]:
    """So many models, all on one device; None: on whichever.

    Raises:
        EdgeInferError: one of them does not load, or not there; none is left open.
    """
    loaded: list[Model] = []
    try:
        for _ in range(count):
            loaded.append(load())
            if device and loaded[-1].device != device:
                raise DelegateError(f"it would leave {device}: {loaded[-1].fallback_reason or 'nothing else is said'}")
    except EdgeInferError:
        for model in loaded:
            model.close()
        raise
    return loaded
