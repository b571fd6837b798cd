"""`edge-infer inspect`."""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from edge_infer.cli.options import add_json
from edge_infer.errors import ModelError
from edge_infer.types import TensorSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .tflite file or a bundle folder")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print what is known of the model; it is not run."""
    facts = gather(args.model)
    if args.json:
        print(json.dumps(facts))
        return 0
    for key, value in facts.items():
        if isinstance(value, list):
            print(f"{key}:")
            for item in value:
                print(f"  {_tensor_line(item) if isinstance(item, dict) else item}")
        elif isinstance(value, dict):
            print(f"{key}:")
            for name, entry in value.items():
                print(f"  {name:<22} {entry}")
        else:
            print(f"{key + ':':<12} {value}")
    return 0


def gather(path: Path) -> dict[str, Any]:
    """Facts of a model file or bundle, ready for JSON."""
    from edge_infer.bundle.bundle import open_bundle
    from edge_infer.bundle.manifest import Decode, Prepare
    from edge_infer.bundle.metadata import read_metadata
    from edge_infer.bundle.model_file import read_model
    from edge_infer.recipe import make_recipe

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
        said = {name: getattr(metadata, name) for name in ("name", "version", "author", "license", "description")}
        facts["metadata"] = {name: value for name, value in said.items() if value}
    if model.files:
        facts["files"] = list(model.files)
    try:
        recipe = make_recipe(bundle, model, Prepare(), Decode())
    except ModelError as error:
        facts["task"] = f"unknown: {error}"
    else:
        facts["task"] = recipe.task
        facts["decoder"] = recipe.kind
        facts["labels"] = len(recipe.labels)
        facts["known from"] = dict(recipe.found)
    return facts


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
