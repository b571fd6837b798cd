"""A model that can be called with a picture: preparation, runtime and decoder joined."""

import time
from pathlib import Path
from typing import Any, Self, TypedDict, TypeVar, Unpack

import msgspec

from edge_infer.bundle.bundle import Bundle, open_bundle
from edge_infer.bundle.manifest import Decode, Prepare, Roi
from edge_infer.bundle.model_file import ModelFile, read_model
from edge_infer.config import from_options
from edge_infer.decode.decoder import Decoder
from edge_infer.decoders import make_decoder
from edge_infer.errors import DelegateError, ModelError, UsageError
from edge_infer.prepare.image import ImagePreparer
from edge_infer.recipe import Recipe, make_recipe
from edge_infer.runtime.delegate import check_device, find_accelerators
from edge_infer.runtime.interpreter import InterpreterRuntime
from edge_infer.runtime.libraries import Library, find_library
from edge_infer.runtime.runtime import Runtime
from edge_infer.sources.images import read_image
from edge_infer.types import Array, Frame, ModelId, Result, Status

S = TypeVar("S", Prepare, Decode)


class ModelOptions(TypedDict, total=False):
    """What may be said about a model beside its files; see `Prepare` and `Decode` (docs/configuration.md)."""

    resize: str
    pad: int
    color: str
    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]
    roi: Roi
    kind: str
    min_score: float
    max_results: int
    top_k: int
    iou: float
    nms: str
    allow: tuple[str, ...]
    deny: tuple[str, ...]


class AbsentError(DelegateError):
    """No accelerator is there: nothing is broken."""


class Model:
    """Call it with a path or a BGR array; it belongs to the thread that uses it.

    Attributes:
        id: name, version and sha256 of the file that runs
        task: classify, detect or tensors
        device: what runs it
        fallback_reason: why that is not the accelerator that the model has a file for
        status: of its results: degraded where an accelerator is there and fails
    """

    def __init__(
        self,
        identity: ModelId,
        recipe: Recipe,
        runtime: Runtime,
        preparer: ImagePreparer,
        decoder: Decoder,
        refusal: DelegateError | None = None,
    ) -> None:
        self.id = identity
        self.recipe = recipe
        self.runtime = runtime
        self.task = decoder.task
        self.device = runtime.device
        self.fallback_reason = str(refusal) if refusal else None
        failed = refusal is not None and not isinstance(refusal, AbsentError)
        self.status: Status = "degraded" if failed else "ok"
        self._prepare = preparer
        self._decode = decoder
        self._calls = 0

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
        return self.predict(frame)

    def predict(self, frame: Frame) -> Result:
        """The result for one frame, with the time of each stage.

        Raises:
            InputError: the frame is not what the model takes.
            ModelError: the runtime failed.
            DelegateError: the accelerator failed.
        """
        started = time.perf_counter()
        tensor, geometry = self._prepare(frame.data)
        prepared = time.perf_counter()
        outputs = self.runtime.run([tensor])
        inferred = time.perf_counter()
        prediction = self._decode(outputs, geometry)
        decoded = time.perf_counter()
        return Result.of(
            frame,
            task=self.task,
            model=self.id,
            device=self.device,
            prediction=prediction,
            status=self.status,
            error=self.fallback_reason if self.status == "degraded" else None,
            timings_ms={
                "prepare": (prepared - started) * 1e3,
                "infer": (inferred - prepared) * 1e3,
                "decode": (decoded - inferred) * 1e3,
            },
        )

    def close(self) -> None:
        """Free the runtime."""
        self.runtime.close()

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
    labels: str | Path | list[str] | None = None,
    prepare: Prepare | None = None,
    decode: Decode | None = None,
    **options: Unpack[ModelOptions],
) -> Model:
    """A model from a bundle folder or a .tflite file.

    Args:
        path: the folder or file
        device: `auto` (an accelerator if one is there and the model has a file for it), `cpu`, or
            `edgetpu[:usb|:pci][:N]`
        threads: CPU threads for one inference
        runtime: `ai_edge_litert` or `tflite_runtime`; default: $EDGE_INFER_RUNTIME, else the first installed
        delegate: path of the Edge TPU library, where it is not the system's
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
    check_device(device)
    prepare, decode = _with_options(prepare or Prepare(), decode or Decode(), dict(options))
    bundle = open_bundle(Path(path))
    engine, file, refusal = _open_runtime(bundle, device, threads, runtime, delegate)
    try:
        identity = bundle.id_of(file.path, file.sha256)
        recipe = make_recipe(bundle, file, prepare, decode, Path(labels) if isinstance(labels, str) else labels)
        if len(file.inputs) != 1:
            raise ModelError(f"{file.path} has {len(file.inputs)} inputs; pictures go to models with one")
        preparer = ImagePreparer(engine.inputs[0], recipe.prepare)
        decoder = make_decoder(recipe, file, engine.outputs, [output.shape for output in engine.warm_outputs])
    except BaseException:
        engine.close()
        raise
    return Model(identity, recipe, engine, preparer, decoder, refusal)


def _open_runtime(
    bundle: Bundle, device: str, threads: int, runtime: str | None, delegate: str | None
) -> tuple[InterpreterRuntime, ModelFile, DelegateError | None]:
    """The runtime on the device that `device` asks for, its file, and why it is not the accelerator."""
    library = find_library(runtime)
    cpu, edgetpu = _files(bundle)
    if device.startswith("edgetpu") and edgetpu is None:
        raise ModelError(f"{bundle.path} has no file for the Edge TPU: compile it with edgetpu_compiler, or use cpu")
    refusal = None
    if edgetpu and device != "cpu":
        try:
            return _on_edgetpu(edgetpu, device, library, delegate), edgetpu, None
        except DelegateError as error:
            if device != "auto" or cpu is None:
                raise type(error)(f"{error}; {edgetpu.path} is compiled for it and runs on nothing else") from error
            refusal = error
    if cpu is None:
        raise ModelError(
            f"{bundle.path} is compiled for the Edge TPU, the CPU cannot run it: give the file it came from"
        )
    return InterpreterRuntime(cpu, threads=threads, library=library), cpu, refusal


def _on_edgetpu(model: ModelFile, device: str, library: Library, delegate: str | None) -> InterpreterRuntime:
    if device == "auto" and delegate is None and not find_accelerators():
        raise AbsentError("no Edge TPU is plugged in")
    wanted = "edgetpu" if device == "auto" else device
    return InterpreterRuntime(model, device=wanted, library=library, delegate=delegate)


def _files(bundle: Bundle) -> tuple[ModelFile | None, ModelFile | None]:
    """The checked files for the CPU and the Edge TPU, by what is in them and not by their names."""
    files = [read_model(path) for path in (bundle.cpu, bundle.edgetpu) if path]
    cpu = next((file for file in files if not file.edgetpu), None)
    return cpu, next((file for file in files if file.edgetpu), None)


def _with_options(prepare: Prepare, decode: Decode, options: dict[str, Any]) -> tuple[Prepare, Decode]:
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
