"""A model that can be called with a picture, on an accelerator or on what stands in for it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypedDict, TypeVar, Unpack

import msgspec

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest import Decode, Prepare, Roi
from edge_infer.config import from_options
from edge_infer.engine import Engine, Use
from edge_infer.errors import DelegateError, ModelError, UsageError
from edge_infer.kinds.kind import Recipe
from edge_infer.placement import Accelerated, Where, place
from edge_infer.runtime.delegate import AbsentError, check_device
from edge_infer.runtime.isolated.runtime import IsolatedRuntime
from edge_infer.runtime.libraries import find_library
from edge_infer.runtime.runtime import Runtime
from edge_infer.sources.images import read_image
from edge_infer.types import Array, Frame, ModelId, Result, Status

S = TypeVar("S", Prepare, Decode)
SPARE_S = 60.0  # an accelerator that works for so long needs no stand-in: its memory is given back


class ModelOptions(TypedDict, total=False):
    """What may be said about a model beside its files; see `Prepare` and `Decode` (docs/configuration.md)."""

    resize: str
    pad: int
    color: str
    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]
    roi: Roi
    size: tuple[int, int]
    inputs: dict[str, tuple[float, ...]]
    state: dict[str, str]
    kind: str
    min_score: float
    max_results: int
    top_k: int
    iou: float
    nms: str
    agnostic: bool
    activation: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    gallery: str | Path
    match: str


class Model:
    """Call it with a path or a BGR array; it belongs to the thread that uses it.

    Attributes:
        engine: what answered last, or will answer first
        fallback_reason: why that is not the accelerator that the model has a file for
        status: of its results: degraded where an accelerator is there and fails
        heals: it replaces an accelerator that fails: the next frame may be asked about
        limit_s: how long it may take until it answers or says that it cannot; None: nobody knows
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
        return str(self._refusal) if self._refusal else None

    @property
    def status(self) -> Status:
        """See the class."""
        return "degraded" if self._refusal and not isinstance(self._refusal, AbsentError) else "ok"

    @property
    def limit_s(self) -> float | None:
        """See the class."""
        runtime = self._accelerated.runtime if self._accelerated else None
        return runtime.limit_s if isinstance(runtime, IsolatedRuntime) else None

    def __call__(self, image: str | Path | Array) -> Result:
        """The result for one picture: a path, or a `(height, width, 3) uint8` BGR array.

        Raises:
            UnavailableError: there is no such file.
            InputError: it is no picture.
        """
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
        if self._closed:
            raise ModelError(f"{self.id} was closed: load it again")
        started = time.perf_counter()
        if self._accelerated:
            try:
                return self._accelerated_answer(self._accelerated, frame)
            except DelegateError as error:
                if self._open_cpu is None or not self.heals:
                    raise
                self._refusal = error
        failed_ms = (time.perf_counter() - started) * 1e3
        self.engine = self._on_cpu()
        result = self.engine.answer(frame)
        if self.status == "ok" or result.status == "error":
            return result
        timings = {"failed": failed_ms, **result.timings_ms}
        return replace(result, status=self.status, error=self.fallback_reason, timings_ms=timings)

    def _accelerated_answer(self, accelerated: Accelerated, frame: Frame) -> Result:
        engine = accelerated.engine()
        result = engine.answer(frame)
        self.engine = engine
        self._refusal = None
        if self._cpu and time.monotonic() - self._cpu_used_at > SPARE_S:
            self._close_cpu()
        return result

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

    def close(self) -> None:
        """Free the runtime."""
        self._closed = True
        self._close_cpu()
        if self._accelerated:
            self._accelerated.runtime.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def load(
    path: str | Path,
    *,
    device: str = "auto",
    threads: int = 1,
    runtime: str | None = None,
    delegate: str | None = None,
    delegate_options: Mapping[str, str] | None = None,
    isolated: bool | None = None,
    stand_in: bool | None = None,
    deadline_s: float | None = None,
    labels: str | Path | list[str] | None = None,
    prepare: Prepare | None = None,
    decode: Decode | None = None,
    **options: Unpack[ModelOptions],
) -> Model:
    """A model from a bundle folder or a .tflite file.

    Args:
        path: the folder or file, or the name of a model that was pulled (docs/models.md)
        device: `auto` (Edge TPUs if there are any and the model has a file for them), `cpu`,
            `edgetpu[:usb|:pci][:N]`, or `external` (the library that `delegate` names)
        threads: CPU threads for one inference
        runtime: `ai_edge_litert` or `tflite_runtime`; default: $EDGE_INFER_RUNTIME, else the first installed
        delegate: path of the accelerator's library, where it is not the system's libedgetpu
        delegate_options: what an external delegate is told
        isolated: run it in a process of its own, which is replaced when it hangs or crashes; default: accelerators
            are, the CPU is not
        stand_in: let the CPU do the work while the accelerator cannot; default: with `auto` only
        deadline_s: a longer inference in a process of its own is a hang; default: 20 times the usual, at least 1 s
        labels: a labels file, or the labels themselves
        prepare: as in a configuration
        decode: as in a configuration
        options: fields of `prepare` and `decode` one by one; they win

    Raises:
        UnavailableError: no such file, or no runtime.
        ModelError: the model is damaged, or it cannot be known what it does.
        ConfigError: the bundle's manifest is wrong.
        DelegateError: the accelerator that was asked for is not there.
        UsageError: an option that does not exist, or has an impossible value.
    """
    prepare, decode = with_options(prepare or Prepare(), decode or Decode(), dict(options))
    use = Use(open_bundle(Path(path)), prepare, decode, Path(labels) if isinstance(labels, str) else labels)
    where = Where(
        device=check_device(device),
        threads=threads,
        library=find_library(runtime),
        delegate=delegate,
        delegate_options=delegate_options or {},
        isolated=isolated,
        stand_in=stand_in,
        deadline_s=deadline_s,
    )
    return Model(*place(use, where))


def with_options(prepare: Prepare, decode: Decode, options: dict[str, Any]) -> tuple[Prepare, Decode]:
    """Both with what `options` say of their fields.

    Raises:
        UsageError: an option that does not exist, or has an impossible value.
    """
    for name in ("mean", "std"):
        if isinstance(options.get(name), int | float):
            options[name] = (float(options[name]),)
    known = {*Prepare.__struct_fields__, *Decode.__struct_fields__}
    unknown = sorted(set(options) - known)
    if unknown:
        raise UsageError(f"load() has no option {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    given = {name: value for name, value in options.items() if value is not None}
    return _updated(prepare, given), _updated(decode, given)


def _updated(struct: S, given: dict[str, Any]) -> S:
    mine = {name: value for name, value in given.items() if name in struct.__struct_fields__}
    return from_options(type(struct), {**msgspec.structs.asdict(struct), **mine}, "the model")
