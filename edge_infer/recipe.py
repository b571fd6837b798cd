"""What is to be done around a model: found in its file, its metadata, its manifest, and said by the user.

What the user says wins over the manifest, that over the metadata in the model, that over what its kind usually needs.
What the metadata says and the model contradicts is left out, with a warning (docs/zero-configuration.md).
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from edge_infer.bundle.bundle import Bundle
from edge_infer.bundle.exports import read_export
from edge_infer.bundle.labels import fitted, labels_from, missing_files, parse_labels
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.mediapipe import DETECTOR, segmenter_activation
from edge_infer.bundle.metadata import AudioContent, ImageContent, Metadata, read_metadata
from edge_infer.bundle.model_file import ModelFile
from edge_infer.bundle.wake_word import read_wake_word
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.features import LogMel, Micro
from edge_infer.feeding import find_state, tensor_name, without_what_is_fed
from edge_infer.kinds.kind import Clues, Kind, Recipe
from edge_infer.kinds.registry import kind_of, recognise
from edge_infer.prepare.image import ImageOptions, image_layout
from edge_infer.prepare.samples import SampleOptions
from edge_infer.types import TensorSpec

log = logging.getLogger(__name__)

S = TypeVar("S", bound=msgspec.Struct)

WHO = ("you", "the manifest", "the metadata in the model", "usual for this decoder")
FILES = "the files in the model"
# EfficientNet-Lite, whose metadata is right, shares 0.62 of its range; 0..1 told of an input of -1..1 shares 0.5.
SAME_RANGE = 0.55
MIN_SOUND = 4000  # values in one row: a quarter of a second at 16 kHz; no sensor has so many channels
OF_SAMPLES = ("channels", "rate_hz", "window", "overlap")
MAX_CHANNELS = 16  # a row of [1, rows, columns] that is no wider, and far longer, is no picture


def make_recipe(
    bundle: Bundle, model: ModelFile, prepare: Prepare, decode: Decode, labels: Path | Sequence[str] | None = None
) -> Recipe:
    """Decide everything that can be decided from the files.

    Raises:
        ModelError: what the model does cannot be known; the message lists the choices.
    """
    found: dict[str, str] = {}
    state = find_state(model, bundle.prepare.state if prepare.state is None else prepare.state, found)
    given = bundle.prepare.inputs if prepare.inputs is None else prepare.inputs
    inputs = {tensor_name(model, name): values for name, values in (given or {}).items()}
    seen, places = without_what_is_fed(model, {*state, *inputs}, state.values())
    metadata = _seen(read_metadata(model), model, seen, places)
    clues = Clues(seen, metadata, read_export(model), read_wake_word(model))
    doubts = list(clues.metadata.doubts) if clues.metadata else []
    kind = find_kind(bundle, clues, decode.kind, found)
    from_metadata_prepare, from_metadata_decode = said_by_metadata(clues, doubts)
    known_labels = fitting_labels(find_labels(bundle, clues, kind, labels, found), clues, kind, found, doubts)
    prepared = merged((prepare, bundle.prepare, from_metadata_prepare, kind.usual_prepare), found)
    takes = input_kind(prepared, clues, found)
    if takes == "image":
        prepared = fitting_normalization(prepared, clues, found, doubts)
    for doubt in doubts:
        log.warning("the metadata of %s is not believed: %s", model.path, doubt)
    return Recipe(
        kind=kind.name,
        task=kind.task,
        prepare=image_options(prepared) if takes == "image" else sample_options(prepared, sound=takes == "audio"),
        decode=merged((decode, bundle.decode, from_metadata_decode, kind.usual_decode), found),
        labels=known_labels,
        clues=clues,
        inputs=inputs,
        state=state,
        places=tuple(places),
        found=found,
        doubts=tuple(doubts),
    )


def _seen(metadata: Metadata | None, model: ModelFile, seen: ModelFile, places: Sequence[int]) -> Metadata | None:
    """The metadata of what is seen of a model."""
    if metadata is None or seen is model:
        return metadata
    kept = [place for place, spec in enumerate(model.inputs) if spec in seen.inputs]
    return replace(
        metadata,
        inputs=tuple(metadata.inputs[place] for place in kept if place < len(metadata.inputs)),
        outputs=tuple(metadata.outputs[place] for place in places if place < len(metadata.outputs)),
    )


def find_kind(bundle: Bundle, clues: Clues, said: str | None, found: dict[str, str]) -> Kind:
    """Which decoder fits the model's outputs."""
    if name := said or bundle.decode.kind:
        found["task"] = "you" if said else "the manifest"
        return kind_of(name)
    kind, found["task"] = recognise(clues)
    return kind


def said_by_metadata(clues: Clues, doubts: list[str]) -> tuple[Prepare, Decode]:
    """What the metadata says of the input and the outputs; `doubts` are told what cannot be."""
    metadata, word = clues.metadata, clues.wake_word
    if word:
        return Prepare(), Decode(min_score=word.cutoff, mean_of=word.mean_of)
    if metadata is None:
        return Prepare(), Decode()
    place, channels = _picture(clues)
    picture = metadata.inputs[place] if place < len(metadata.inputs) else None
    if picture and isinstance(picture.content, AudioContent):
        return Prepare(input="audio", rate_hz=picture.content.sample_rate or None), Decode(
            min_score=next((units.score_threshold for units in metadata.outputs if units.score_threshold), None)
        )
    color = picture.content.color_space if picture and isinstance(picture.content, ImageContent) else ""
    if (color, channels) in (("GRAYSCALE", 3), ("RGB", 1)):
        doubts.append(f"{color} for an input with {channels} channels")
    normalization = picture.normalization if picture else None
    if normalization and len(normalization.mean) not in (1, channels):
        doubts.append(f"normalization of {len(normalization.mean)} values for an input with {channels} channels")
        normalization = None
    thresholds = [units.score_threshold for units in (*metadata.outputs, metadata.output_process)]
    # Source: NonMaxSuppressionCalculator as MediaPipe's ObjectDetector sets it: min_suppression_threshold 0.3.
    decoded_by_mediapipe = DETECTOR in metadata.custom
    return (
        Prepare(
            resize="stretch" if decoded_by_mediapipe else None,
            color="gray" if color == "GRAYSCALE" and channels == 1 else None,
            mean=normalization.mean if normalization else None,
            std=normalization.std if normalization else None,
        ),
        Decode(
            min_score=next((t for t in thresholds if t is not None), None),
            iou=0.3 if decoded_by_mediapipe else None,
            agnostic=True if decoded_by_mediapipe else None,
            activation=segmenter_activation(metadata),  # type: ignore[arg-type]  # one of the three
        ),
    )


def _picture(clues: Clues) -> tuple[int, int]:
    """(place, channels) of the input that is a picture."""
    for place, spec in enumerate(clues.model.inputs):
        try:
            return place, image_layout(spec)[1]
        except ModelError:
            continue
    return 0, 1


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


def fitting_normalization(prepare: Prepare, clues: Clues, found: dict[str, str], doubts: list[str]) -> Prepare:
    """Without the normalisation that only the metadata or the kind tells, where the input is quantised for another.

    Pixels are stored as they are then, which is what tflite-support and MediaPipe do with each such input.
    """
    spec = clues.model.inputs[_picture(clues)[0]] if clues.model.inputs else None
    teller = found.get("mean")
    if spec is None or not prepare.mean or not prepare.std or teller not in WHO[2:] or found["std"] != teller:
        return prepare
    if not spec.quantized or spec.dtype.itemsize != 1 or _shared_range(spec, prepare.mean, prepare.std) > SAME_RANGE:
        return prepare
    if teller == WHO[2]:
        doubts.append(f"normalization by {prepare.mean} and {prepare.std} for an input that is quantised for another")
    del found["mean"], found["std"]
    return msgspec.structs.replace(prepare, mean=None, std=None)


def _shared_range(spec: TensorSpec, mean: Sequence[float], std: Sequence[float]) -> float:
    """How much of the range of normalised pixels and that of the input's real values is the same, as a share."""
    limits = np.iinfo(spec.dtype)
    low, high = ((end - spec.zero_point[0]) * spec.scale[0] for end in (limits.min, limits.max))
    ends = [(pixel - m) / s for pixel in (0, 255) for m, s in zip(mean, std, strict=False)]
    common = min(high, max(ends)) - max(low, min(ends))
    return common / max(high - low, max(ends) - min(ends))


def input_kind(prepare: Prepare, clues: Clues, found: dict[str, str]) -> str:
    """Whether it takes an `image`, `audio` or a `series` of readings: as is said, or by the shape of its input."""
    if prepare.input:
        return prepare.input
    if prepare.features is not None:
        found["input"] = "its features"
        return "audio" if isinstance(prepare.features, LogMel | Micro) else "series"
    inputs = clues.model.inputs
    sides = [side for side in inputs[0].shape if side != 1] if inputs else []
    samples = "audio" if len(sides) == 1 and sides[0] >= MIN_SOUND else "series"
    if said := [name for name in OF_SAMPLES if getattr(prepare, name) is not None]:
        found["input"] = f"its {said[0]}, which no picture has"
        return samples
    found["input"] = "the shape of the input"
    if len(inputs) != 1:
        return "image"  # whose error lists them all
    spec = inputs[0]
    try:
        (width, height), _ = image_layout(spec)
    except ModelError:
        return "image" if len(sides) > 2 or not spec.shape else samples
    narrow = len(spec.shape) == 3 and width <= MAX_CHANNELS and height >= 4 * width
    return "series" if narrow else "image"


def sample_options(prepare: Prepare, *, sound: bool) -> SampleOptions:
    """The preparation of samples as `prepare/` wants it."""
    return SampleOptions(
        sound=sound,
        rate_hz=prepare.rate_hz,
        window=prepare.window,
        overlap=prepare.overlap or 0.0,
        channels=prepare.channels or (),
        mean=prepare.mean,
        std=prepare.std,
        features=prepare.features,
        max_missing=prepare.max_missing,
        max_hole_s=prepare.max_hole_s,
        fill=prepare.fill,
    )


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
    if clues.wake_word:
        found["labels"] = "the file beside the model"
        return (clues.wake_word.word,)
    labels = labels_from(clues.model, clues.metadata, kind.label_output)
    if not labels and kind.task == "detect":  # its outputs may be in another order
        others = (labels_from(clues.model, clues.metadata, place) for place in range(len(clues.outputs)))
        labels = next(filter(None, others), ())
    if not labels and kind.usual_labels:
        found["labels"] = WHO[3]
        return kind.usual_labels
    found["labels"] = FILES if labels else "nothing: classes are numbers"
    return labels


def fitting_labels(
    labels: tuple[str, ...], clues: Clues, kind: Kind, found: dict[str, str], doubts: list[str]
) -> tuple[str, ...]:
    """Labels for as many classes as the model has; none, where those in its own files cannot be meant."""
    missing = missing_files(clues.model, clues.metadata)
    doubts += [f"it names the labels '{name}', which are not there" for name in missing]
    count = kind.classes(clues)
    labels = fitted(labels, count)
    if found["labels"] == FILES and len(labels) < count:
        doubts.append(f"there are {len(labels)} labels for {count} classes: classes are numbers")
        found["labels"] = "nothing: classes are numbers"
        return ()
    return labels
