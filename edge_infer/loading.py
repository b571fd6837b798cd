"""From the files of a model, and what is said about it, to one that can be called."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, Unpack

import msgspec

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest import Decode, Prepare, Roi
from edge_infer.config import from_options
from edge_infer.engine import Use
from edge_infer.errors import UsageError
from edge_infer.model import Model
from edge_infer.placement import Where, place
from edge_infer.runtime.delegate import check_device
from edge_infer.runtime.libraries import find_library
from edge_infer.sharing import threads_alone

S = TypeVar("S", Prepare, Decode)


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
    threshold: float
    statistics: str | Path
    gallery: str | Path
    match: str
    input: str
    rate_hz: float
    window: int
    overlap: float
    channels: tuple[str, ...]


def load(
    path: str | Path,
    *,
    device: str = "auto",
    threads: int | Literal["auto"] = 1,
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
        threads: CPU threads for one inference; `auto`: as `edge-infer tune` has found, else by size (docs/tuning.md)
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
    check_device(device)
    library = find_library(runtime)
    where = Where(
        device=device,
        threads=threads_alone(use.bundle, device, library) if threads == "auto" else threads,
        library=library,
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
