"""`edge-infer inspect`."""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_infer.cli.options import add_json, add_said, said_options
from edge_infer.errors import EdgeInferError, ModelError
from edge_infer.types import Size, TensorSpec

if TYPE_CHECKING:
    from edge_infer.bundle.bundle import Bundle
    from edge_infer.bundle.metadata import Metadata
    from edge_infer.bundle.model_file import ModelFile
    from edge_infer.kinds.kind import Recipe
    from edge_infer.prepare.image import ImageOptions
    from edge_infer.prepare.samples import SampleOptions

WIDTH = 14  # of the names of what was decided
FEW = 5  # labels that are shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what may be said about it."""
    text = "a .tflite file, a bundle folder, or a name of `models list`"
    parser.add_argument("model", type=Path, metavar="MODEL", help=text)
    add_json(parser)
    add_said(parser)


def run(args: argparse.Namespace) -> int:
    """Print what is known of the model; it is not run."""
    facts = gather(args.model, args.labels, **said_options(args))
    if args.json:
        print(json.dumps(facts))
        return 0
    for key, value in facts.items():
        if key == "known from":  # `decided` has it
            continue
        if isinstance(value, list):
            print(f"{key}:")
            for item in value:
                print(f"  {_tensor_line(item) if isinstance(item, dict) else item}")
        elif isinstance(value, dict):
            print(f"{key}:")
            for name, entry in value.items():
                print(f"  {name:<{WIDTH}} {_decided_line(entry) if isinstance(entry, dict) else entry}")
        else:
            print(f"{key + ':':<12} {value}")
    return 0


def gather(path: Path, labels: Path | None = None, **said: Any) -> dict[str, Any]:
    """Facts of a model file or bundle, ready for JSON; `said` are fields of `prepare` and `decode`."""
    from edge_infer.bundle.bundle import open_bundle
    from edge_infer.bundle.metadata import read_metadata
    from edge_infer.bundle.model_file import read_model

    bundle = open_bundle(path)
    model = read_model(bundle.path)
    identity = bundle.id_of(model.path, model.sha256)
    facts: dict[str, Any] = {
        "model": str(identity),
        "file": str(model.path),
        "size": model.size,
        "sha256": model.sha256,
        "edgetpu": model.edgetpu,
        "inputs": [_tensor(spec) for spec in model.inputs],
        "outputs": [_tensor(spec) for spec in model.outputs],
        "operators": dict(Counter(model.operators).most_common()),
    }
    metadata = read_metadata(model)
    if metadata:
        texts = {name: getattr(metadata, name) for name in ("name", "version", "author", "license", "description")}
        facts["metadata"] = {name: value for name, value in texts.items() if value}
    if model.files:
        facts["files"] = list(model.files)
    return facts | _use(bundle, model, metadata, labels, said)


def _use(
    bundle: "Bundle", model: "ModelFile", metadata: "Metadata | None", labels: Path | None, said: dict[str, Any]
) -> dict[str, Any]:
    """How the model is used, and what tells that; where it cannot be known, the choices."""
    from edge_infer.bundle.manifest import Decode, Prepare
    from edge_infer.kinds.registry import built_in, kind_of
    from edge_infer.loading import with_options
    from edge_infer.prepare.samples import SampleOptions
    from edge_infer.recipe import make_recipe

    try:
        prepare, decode = with_options(Prepare(), Decode(), said)
        recipe = make_recipe(bundle, model, prepare, decode, labels)
    except ModelError as error:
        doubts = {"not believed": list(metadata.doubts)} if metadata and metadata.doubts else {}
        choices = {kind.name: kind.summary for kind in built_in()}
        return {"task": "unknown", "why": str(error).splitlines()[0], **doubts, "decoders": choices}
    options = recipe.prepare
    if isinstance(options, SampleOptions):
        decided = _samples(recipe, options) | _fed(recipe) | _decode(recipe)
    else:
        decided = _picture(bundle, recipe, options, prepare.size) | _fed(recipe) | _decode(recipe)
    decided |= {part: _part(value, why) for part, (value, why) in kind_of(recipe.kind).explain(recipe).items()}
    facts: dict[str, Any] = {
        "task": recipe.task,
        "decoder": recipe.kind,
        "labels": len(recipe.labels),
        "known from": dict(recipe.found),
        "decided": decided,
    }
    return facts | ({"not believed": list(recipe.doubts)} if recipe.doubts else {})


def _samples(recipe: "Recipe", options: "SampleOptions") -> dict[str, Any]:
    """What becomes of sound, or of readings."""
    from edge_infer.prepare.samples import SamplePreparer

    taken, found = {*recipe.inputs, *recipe.state}, recipe.found
    spec = next(spec for spec in recipe.clues.model.inputs if spec.name not in taken)
    facts = {"input": _part("audio" if options.sound else "series", found["input"])}
    try:
        wanted = SamplePreparer(spec, options).wanted
    except EdgeInferError as error:
        return facts | {"window": _part("unknown", str(error))}
    lasts = f", {wanted.samples / wanted.rate_hz:g} s" if wanted.rate_hz else ""
    facts["window"] = _part(f"{wanted.samples} samples{lasts}", found.get("window", f"the input '{spec.name}'"))
    facts["next window"] = _part(f"{wanted.hop} samples later", found.get("overlap", "usual"))
    unsaid = ("any", "nothing: say --rate-hz where it matters")
    facts["rate_hz"] = _part(*((wanted.rate_hz, found.get("rate_hz", "its features")) if wanted.rate_hz else unsaid))
    shown = ", ".join(wanted.names) or str(wanted.channels)
    facts["channels"] = _part(shown, found.get("channels", f"the input '{spec.name}'"))
    if options.features is not None:
        facts["features"] = _part(str(options.features.__struct_config__.tag), found.get("features", "you"))
    for name in ("mean", "std"):
        values = getattr(options, name)
        if values is not None:
            facts[name] = _part(list(values), found.get(name, "usual"))
    return facts


def _picture(bundle: "Bundle", recipe: "Recipe", options: "ImageOptions", size: Size | None) -> dict[str, Any]:
    """What becomes of a picture."""
    model, found = recipe.clues.model, recipe.found
    taken = {*recipe.inputs, *recipe.state}
    free = [(spec, _layout(spec)) for spec in model.inputs if spec.name not in taken]
    picture, layout = next(((spec, layout) for spec, layout in free if layout), (None, None))
    facts: dict[str, Any] = {}
    if picture is not None and layout is not None:
        facts["input size"] = _input_size(
            picture, layout[0], [(size, "you"), (bundle.prepare.size, "the manifest")], recipe
        )
        gray = layout[1] == 1
        channels = f"the {'one channel' if gray else 'channels'} of the input"
        facts["color"] = _part(options.color or ("gray" if gray else "rgb"), found.get("color", channels))
    facts["resize"] = _part(options.resize, found.get("resize", "usual"))
    if options.resize != "stretch":
        facts["pad"] = _part(options.pad, found.get("pad", "usual"))
    for name in ("mean", "std"):
        values = getattr(options, name)
        told = picture is not None and picture.dtype.kind in "iu"
        unsaid = (
            ("none: pixels as they are", "the type of the input") if told else ("unknown", f"nothing: say --{name}")
        )
        facts[name] = _part(*(unsaid if values is None else (list(values), found.get(name, "usual"))))
    return facts


def _fed(recipe: "Recipe") -> dict[str, Any]:
    """What else the model is fed with."""
    found, facts = recipe.found, dict[str, Any]()
    if recipe.inputs:
        facts["constants"] = _part(", ".join(recipe.inputs), found.get("inputs", "you"))
    if recipe.state:
        pairs = ", ".join(f"{target} from {source}" for target, source in recipe.state.items())
        facts["state"] = _part(pairs, found.get("state", "you"))
    return facts


def _layout(spec: TensorSpec) -> tuple[Size, int] | None:
    """(size, channels) of a picture, None where the input is none."""
    from edge_infer.prepare.image import image_layout

    try:
        return image_layout(spec)
    except ModelError:
        return None


def _input_size(
    picture: TensorSpec, own: Size, said: list[tuple[Size | None, str]], recipe: "Recipe"
) -> dict[str, Any]:
    """The size of the picture, where the model leaves that open as `load` chooses it."""
    from edge_infer.kinds.registry import kind_of

    if -1 not in picture.signature[1:]:
        return _part(f"{own[0]}x{own[1]}", f"the input '{picture.name}'")
    export = recipe.clues.export
    choices = [
        *said,
        (export.size if export else None, "the exporter's file"),
        (kind_of(recipe.kind).usual_prepare.size, "usual for this decoder"),
        (own if min(own) > 1 else None, f"the input '{picture.name}'"),
    ]
    size, who = next(((size, who) for size, who in choices if size), (None, "nothing: say --input-size"))
    return _part(f"{size[0]}x{size[1]}" if size else "any", who)


def _decode(recipe: "Recipe") -> dict[str, Any]:
    """What becomes of the outputs."""
    facts: dict[str, Any] = {
        "task": _part(recipe.task, recipe.found["task"]),
        "decoder": _part(recipe.kind, recipe.found["task"]),
    }
    some = ", ".join(label for label in recipe.labels[:FEW] if label)
    more = ", ..." if len(recipe.labels) > FEW else ""
    facts["labels"] = _part(f"{len(recipe.labels)}: {some}{more}" if some else "none", recipe.found["labels"])
    for name in recipe.decode.__struct_fields__:
        value = getattr(recipe.decode, name)
        if value is not None and name != "kind":
            facts[name] = _part(list(value) if isinstance(value, tuple) else value, recipe.found.get(name, "usual"))
    return facts


def _part(value: object, why: str) -> dict[str, Any]:
    return {"value": value, "from": why}


def _decided_line(part: dict[str, Any]) -> str:
    values = part["value"] if isinstance(part["value"], list) else [part["value"]]
    shown = ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
    return f"{shown}  ({part['from']})"


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": spec.name, "shape": list(spec.shape), "dtype": str(spec.dtype)}
    if spec.quantized:
        facts |= {"scale": list(spec.scale), "zero_point": list(spec.zero_point)}
    return facts


def _tensor_line(tensor: dict[str, Any]) -> str:
    quantised = ""
    if "scale" in tensor:
        one = len(tensor["scale"]) == 1
        quantised = (
            f"  real = (stored - {tensor['zero_point'][0]}) * {tensor['scale'][0]:g}" if one else "  per channel"
        )
    return f"{tensor['name'] or '(no name)'}  {tensor['shape']} {tensor['dtype']}{quantised}"
