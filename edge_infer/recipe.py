"""What is to be done around a model: found in its file, its metadata, its manifest, and said by the user.

What the user says wins over the manifest, that over the metadata in the model, that over what its kind usually needs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_infer.bundle.bundle import Bundle
from edge_infer.bundle.exports import read_export
from edge_infer.bundle.labels import labels_from, parse_labels
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.metadata import ImageContent, Metadata, read_metadata
from edge_infer.bundle.model_file import ModelFile
from edge_infer.errors import UnavailableError
from edge_infer.feeding import find_state
from edge_infer.kinds.kind import Clues, Kind, Recipe
from edge_infer.kinds.registry import kind_of, recognise
from edge_infer.prepare.image import ImageOptions

S = TypeVar("S", bound=msgspec.Struct)

WHO = ("you", "the manifest", "the metadata in the model", "usual for this decoder")


def make_recipe(
    bundle: Bundle, model: ModelFile, prepare: Prepare, decode: Decode, labels: Path | Sequence[str] | None = None
) -> Recipe:
    """Decide everything that can be decided from the files.

    Raises:
        ModelError: what the model does cannot be known; the message lists the choices.
    """
    clues = Clues(model, read_metadata(model), read_export(model))
    found: dict[str, str] = {}
    kind = find_kind(bundle, clues, decode.kind, found)
    from_metadata_prepare, from_metadata_decode = said_by_metadata(clues.metadata)
    prepared = merged((prepare, bundle.prepare, from_metadata_prepare, kind.usual_prepare), found)
    return Recipe(
        kind=kind.name,
        task=kind.task,
        prepare=image_options(prepared),
        decode=merged((decode, bundle.decode, from_metadata_decode, kind.usual_decode), found),
        labels=find_labels(bundle, clues, kind, labels, found),
        clues=clues,
        inputs=prepared.inputs or {},
        state=find_state(model, prepared.state, found),
        found=found,
    )


def find_kind(bundle: Bundle, clues: Clues, said: str | None, found: dict[str, str]) -> Kind:
    """Which decoder fits the model's outputs."""
    if name := said or bundle.decode.kind:
        found["task"] = "you" if said else "the manifest"
        return kind_of(name)
    kind, found["task"] = recognise(clues)
    return kind


def said_by_metadata(metadata: Metadata | None) -> tuple[Prepare, Decode]:
    """What the TFLite metadata says of the first input and the outputs."""
    if metadata is None:
        return Prepare(), Decode()
    first = metadata.inputs[0] if metadata.inputs else None
    normalization = first.normalization if first else None
    gray = first is not None and isinstance(first.content, ImageContent) and first.content.color_space == "GRAYSCALE"
    thresholds = [units.score_threshold for units in (*metadata.outputs, metadata.output_process)]
    return (
        Prepare(
            color="gray" if gray else None,
            mean=normalization.mean if normalization else None,
            std=normalization.std if normalization else None,
        ),
        Decode(min_score=next((t for t in thresholds if t is not None), None)),
    )


def merged(said: Sequence[S], found: dict[str, str]) -> S:
    """The first value of each field that anybody gives, in the order of WHO; `found` notes who gave it."""
    values = {}
    for name in said[0].__struct_fields__:
        for who, struct in zip(WHO, said, strict=True):
            value = getattr(struct, name)
            if value is not None:
                values[name] = value
                found.setdefault(name, who)
                break
    return type(said[0])(**values)


def image_options(prepare: Prepare) -> ImageOptions:
    """The preparation as `prepare/` wants it."""
    return ImageOptions(
        resize=prepare.resize or "stretch",
        pad=prepare.pad or 0,
        color=prepare.color,
        mean=prepare.mean,
        std=prepare.std,
        roi=prepare.roi,
    )


def find_labels(
    bundle: Bundle, clues: Clues, kind: Kind, said: Path | Sequence[str] | None, found: dict[str, str]
) -> tuple[str, ...]:
    """Labels by class id; empty where there are none."""
    path = said if isinstance(said, Path) else bundle.labels if said is None else None
    if path is not None:
        found["labels"] = str(path)
        try:
            return parse_labels(path.read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise UnavailableError(f"cannot read the labels {path}: {error.strerror}") from error
    if said is not None:
        found["labels"] = "you"
        return tuple(map(str, said))  # type: ignore[arg-type]  # not a Path: the branch above took those
    if clues.export and clues.export.labels:
        found["labels"] = WHO[2]
        return clues.export.labels
    labels = labels_from(clues.model, clues.metadata, kind.label_output)
    if not labels and kind.usual_labels:
        found["labels"] = WHO[3]
        return kind.usual_labels
    found["labels"] = "the files in the model" if labels else "nothing: classes are numbers"
    return labels
