"""What was found out about a model, as a manifest says it: nothing is left to be found out again."""

from collections.abc import Sequence
from typing import Any

import msgspec

from edge_infer.bundle.labels import parse_labels
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.kinds.kind import Recipe
from edge_infer.model import Model
from edge_infer.prepare.image import ImagePreparer

UNKNOWN = "unknown"
LICENSE_LINE = 100  # characters; a longer licence goes to a file of its own


def explicit_prepare(model: Model) -> Prepare:
    """The preparation as it is used."""
    recipe, preparer = model.recipe, model.engine.feed.prepare
    said = {name: getattr(recipe.prepare, name) for name in Prepare.__struct_fields__ if hasattr(recipe.prepare, name)}
    open_shapes = any(spec.signature for spec in recipe.clues.model.inputs)
    found: dict[str, Any] = {"inputs": dict(recipe.inputs) or None, "state": dict(recipe.state) or None}
    if isinstance(preparer, ImagePreparer):
        found |= {"color": preparer.color, "size": preparer.size if open_shapes else None}
    else:
        sound = preparer.options.sound
        found |= {"input": "audio" if sound else "series", "channels": preparer.options.channels or None}
    return Prepare(**said | found)


def explicit_decode(model: Model) -> Decode:
    """The decoding as it is used."""
    return msgspec.structs.replace(model.recipe.decode, kind=model.recipe.kind)


def label_lines(labels: Sequence[str]) -> str:
    """The text of a labels file; with numbers where it would be misread without them."""
    lines = [" ".join(label.split()) for label in labels]
    plain = "\n".join(lines) + "\n"
    if parse_labels(plain) == tuple(lines):
        return plain
    return "".join(f"{class_id}: {line}\n" for class_id, line in enumerate(lines))


def license_of(said: str | None, recipe: Recipe) -> tuple[str, str]:
    """One line for the manifest and the text of a file, "" for none: as is said, or as the model's own files say."""
    metadata, export = recipe.clues.metadata, recipe.clues.export
    text = said or (metadata.license if metadata else "") or (export.license if export else "")
    line = " ".join(text.split())
    return ("see LICENSE", text) if len(line) > LICENSE_LINE else (line or UNKNOWN, "")
