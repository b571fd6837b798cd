"""Which layout a YOLO model's outputs have."""

from collections.abc import Sequence
from dataclasses import replace

from edge_infer.decode.yolo_layout import Layout, Wanted, find_prototypes, readings
from edge_infer.decode.yolo_split import split_layout
from edge_infer.errors import ModelError
from edge_infer.types import TensorSpec


def possible_layouts(specs: Sequence[TensorSpec], wanted: Wanted, *, strict: bool = True) -> list[Layout]:
    """Every layout that the outputs can have; see `readings` for `strict`."""
    prototypes = None
    if wanted.task == "segment":
        prototypes = find_prototypes(specs, wanted)
        if prototypes is None:
            return []
        wanted = replace(wanted, extras=prototypes.count)
    places = [place for place in range(len(specs)) if prototypes is None or place != prototypes.output]
    if len(places) == 1 and (found := list(readings(places[0], specs[places[0]], wanted, strict=strict))):
        return [replace(layout, prototypes=prototypes) for layout in found]
    split = None if wanted.offsets else split_layout(specs, places, wanted)
    return [replace(split, prototypes=prototypes)] if split else []


def find_layout(specs: Sequence[TensorSpec], wanted: Wanted, model: str) -> Layout:
    """The layout of the outputs.

    Raises:
        ModelError: they have none that is known, or several; the message says what is there and what helps.
    """
    found = possible_layouts(specs, wanted) or possible_layouts(specs, wanted, strict=False)
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{spec.name or 'unnamed'} {list(spec.shape)}" for spec in specs)
    what = f"a YOLO model for '{wanted.task}' with an input of {wanted.size[0]}x{wanted.size[1]}"
    what += f" and {wanted.classes} classes" if wanted.classes else ""
    if not found:
        raise ModelError(
            f"the outputs of {model} ({listed}) are not those of {what}: check the labels and --decoder, "
            "or export the model again with its metadata (docs/models-yolo.md)"
        )
    ways = " or ".join(f"'{layout.note}' ({layout.classes or 'numbered'} classes)" for layout in found)
    raise ModelError(
        f"the outputs of {model} ({listed}) can be read in several ways as {what}: {ways}; "
        "give the labels of its classes (--labels FILE)"
    )
