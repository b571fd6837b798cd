"""Regression."""

from collections.abc import Mapping, Sequence

import numpy as np

from edge_infer.decode.decoder import Decoder
from edge_infer.decode.regress import RegressDecoder
from edge_infer.kinds.activation import ACTIVATIONS, holds_scores, tensor_metadata
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec

LONGEST_UNIT = 16  # letters: a longer description tells what the number is, not in what it is measured


def _recognise(clues: Clues) -> str | None:
    """Classification is as likely but where the author wrote down names, and a range that scores do not have."""
    if len(clues.model.inputs) != 1 or not clues.outputs:
        return None
    for place, spec in enumerate(clues.outputs):
        said = tensor_metadata(clues, place)
        if len(spec.shape) > 2 or said is None or not said.name or said.files or not said.minimum or not said.maximum:
            return None
        if clues.model.output_operators[place] in ACTIVATIONS or holds_scores(spec) or spec.dtype.kind != "f":
            return None
        if min(said.minimum) >= 0.0 and max(said.maximum) <= 1.0:
            return None
    return "names and ranges of the outputs in the metadata"


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    counts = [int(np.prod(shape)) for shape in shapes]
    names, units = _names(recipe, counts)
    return RegressDecoder(specs, sum(counts), names, units)


def _names(recipe: Recipe, counts: Sequence[int]) -> tuple[Sequence[str], Sequence[str]]:
    """Of all numbers: as is said, or those of the outputs, counted where one has several."""
    names, units = [], []
    for place, count in enumerate(counts):
        said, spec = tensor_metadata(recipe.clues, place), recipe.clues.outputs[place]
        name = (said.name if said else "") or _signature_name(recipe.clues, place) or spec.name or f"output_{place}"
        unit = said.description if said else ""
        names += [name] if count == 1 else [f"{name}_{i}" for i in range(count)]
        units += [unit if len(unit) <= LONGEST_UNIT and " " not in unit else ""] * count
    if recipe.decode.names is not None:  # then what units the file gives belongs to other names
        return recipe.decode.names, recipe.decode.units or ()
    return names, recipe.decode.units if recipe.decode.units is not None else units


def _signature_name(clues: Clues, place: int) -> str:
    signature = next(iter(clues.model.signatures.values()), None)
    names = signature.outputs if signature else {}
    return next((name for name, at in names.items() if at == place and not name.startswith("output_")), "")


def _explain(recipe: Recipe) -> Mapping[str, tuple[str, str]]:
    counts = [int(np.prod(spec.shape)) for spec in recipe.clues.outputs]
    names, units = _names(recipe, counts)
    who = recipe.found.get("names", "the metadata, the signature or the names of the outputs")
    return {"names": (", ".join(names), who), "units": (", ".join(units), recipe.found.get("units", who))}


REGRESS = Kind(
    name="regress",
    task="regress",
    summary="numbers with names and units, such as an age",
    build=_build,
    recognise=_recognise,
    explain=_explain,
)
