"""What is to be done around a model: found in its file, its metadata, its manifest, and said by the user.

What the user says wins over the manifest, that over the TFLite metadata, that over what the decoder usually needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_infer.bundle.bundle import Bundle
from edge_infer.bundle.labels import labels_from, parse_labels
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.metadata import ImageContent, Metadata, read_metadata
from edge_infer.bundle.model_file import SSD_OPERATOR, ModelFile
from edge_infer.decode import blazeface
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.prepare.image import ImageOptions

S = TypeVar("S", bound=msgspec.Struct)

# A quantised softmax or logistic output always has this scale. Source: TFLite quantization specification.
PROBABILITY_SCALE = 1 / 256
WHO = ("you", "the manifest", "the TFLite metadata", "usual for this decoder")
TASKS = {"classify": "classify", "ssd": "detect", "blazeface": "detect", "tensors": "tensors"}
DEFAULTS = {
    "classify": (Prepare(), Decode(min_score=0.0, top_k=5)),
    "ssd": (Prepare(), Decode(min_score=0.5)),
    # Source: MediaPipe's face_detection graphs: kept aspect, black border, -1..1, weighted suppression at 0.3.
    "blazeface": (
        Prepare(resize="letterbox", pad=0, mean=(127.5,), std=(127.5,)),
        Decode(min_score=0.5, iou=0.3, nms="weighted"),
    ),
    "tensors": (Prepare(), Decode()),
}


@dataclass(frozen=True)
class Recipe:
    """How one model is used; `found` says where each part comes from, for `inspect`."""

    kind: str
    prepare: ImageOptions
    decode: Decode
    labels: tuple[str, ...]
    metadata: Metadata | None
    found: Mapping[str, str] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """classify, detect or tensors."""
        return TASKS[self.kind]


def make_recipe(
    bundle: Bundle, model: ModelFile, prepare: Prepare, decode: Decode, labels: Path | Sequence[str] | None = None
) -> Recipe:
    """Decide everything that can be decided from the files.

    Raises:
        ModelError: what the model does cannot be known; the message lists the choices.
    """
    metadata = read_metadata(model)
    found: dict[str, str] = {}
    kind = find_kind(bundle, model, metadata, decode.kind, found)
    from_metadata_prepare, from_metadata_decode = said_by_metadata(metadata)
    usual_prepare, usual_decode = DEFAULTS[kind]
    return Recipe(
        kind=kind,
        prepare=image_options(merged((prepare, bundle.prepare, from_metadata_prepare, usual_prepare), found)),
        decode=merged((decode, bundle.decode, from_metadata_decode, usual_decode), found),
        labels=find_labels(bundle, model, metadata, kind, labels, found),
        metadata=metadata,
        found=found,
    )


def find_kind(
    bundle: Bundle, model: ModelFile, metadata: Metadata | None, said: str | None, found: dict[str, str]
) -> str:
    """Which decoder fits the model's outputs."""
    kind, reason = said or bundle.decode.kind, "you" if said else "the manifest"
    outputs = model.outputs
    if kind is None and SSD_OPERATOR in model.operators:
        kind, reason = "ssd", f"the op {SSD_OPERATOR}"
    elif kind is None and blazeface.find_outputs(outputs):
        kind, reason = "blazeface", "the shapes of its outputs"
    elif kind is None and is_classifier(model, metadata):
        kind, reason = "classify", "an output of one probability for each class"
    if kind is None:
        listed = ", ".join(f"{spec.name or 'unnamed'} {list(spec.shape)} {spec.dtype}" for spec in outputs)
        raise ModelError(
            f"what {model.path} does cannot be known from the file (its outputs: {listed}); say which decoder: "
            f"--decoder {'|'.join(TASKS)}, or decode: {{kind: ...}} in a configuration"
        )
    found["task"] = reason
    return kind


def is_classifier(model: ModelFile, metadata: Metadata | None) -> bool:
    """True where the only output holds one probability, or one label, for each class."""
    if len(model.outputs) != 1 or len(model.inputs) != 1:
        return False
    spec = model.outputs[0]
    if len(spec.shape) < 2 or any(side != 1 for side in spec.shape[:-1]) or spec.shape[-1] < 2:
        return False
    if model.output_operators[0] in ("SOFTMAX", "LOGISTIC") or spec.scale == (PROBABILITY_SCALE,):
        return True
    return len(labels_from(model, metadata, 0)) == spec.shape[-1]


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
    bundle: Bundle,
    model: ModelFile,
    metadata: Metadata | None,
    kind: str,
    said: Path | Sequence[str] | None,
    found: dict[str, str],
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
    output = 1 if kind == "ssd" else 0
    labels = labels_from(model, metadata, output)
    if not labels and kind == "blazeface":
        found["labels"] = WHO[3]
        return ("face",)
    found["labels"] = "the files in the model" if labels else "nothing: classes are numbers"
    return labels
