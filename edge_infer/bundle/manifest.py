"""What a bundle's manifest.yaml may say (docs/bundle.md)."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge_infer.features import Features

MANIFEST = "manifest.yaml"  # what a bundle's folder holds
Score = Annotated[float, Meta(ge=0.0, le=1.0)]
Side = Annotated[int, Meta(ge=1, le=8192)]
Roi = tuple[float, float, float, float]


class Prepare(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a picture or samples become the model's input; what is not said comes from the model file."""

    input: Annotated[
        Literal["image", "audio", "series"] | None,
        Meta(description="what the model takes: pictures, sound, or the readings of sensors; normally found"),
    ] = None
    rate_hz: Annotated[
        Annotated[float, Meta(gt=0.0, le=1e6)] | None,
        Meta(description="samples per second that the model was trained with"),
    ] = None
    window: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="samples of a window, where the model leaves that open")
    ] = None
    overlap: Annotated[
        Annotated[float, Meta(ge=0.0, lt=1.0)] | None,
        Meta(description="share of a window that the next one shows again; default: 0"),
    ] = None
    channels: Annotated[
        tuple[str, ...] | None, Meta(description="names of the readings that the model takes, in its order")
    ] = None
    max_missing: Annotated[
        Score | None,
        Meta(description="readings: share of a window that may be missing, and is filled in; default: 0.1"),
    ] = None
    max_hole_s: Annotated[
        Annotated[float, Meta(gt=0.0)] | None,
        Meta(description="readings that come when they come: a longer hole is missing; default: three samples"),
    ] = None
    fill: Annotated[
        Literal["linear", "hold"] | None,
        Meta(description="between two readings the value changes evenly (linear, the default), or stays"),
    ] = None
    features: Annotated[
        Features | None, Meta(description="what is made of the samples first; default: they are the input")
    ] = None
    resize: Annotated[
        Literal["stretch", "letterbox", "letterbox-topleft", "crop"] | None,
        Meta(
            description="stretch to the input's size; keep the aspect and pad, or use the middle only",
            examples=["letterbox"],
        ),
    ] = None
    pad: Annotated[int, Meta(ge=0, le=255, description="grey level of the padding")] | None = None
    color: Annotated[
        Literal["rgb", "bgr", "gray"] | None, Meta(description="order of the channels the model was trained with")
    ] = None
    mean: Annotated[
        tuple[float, ...] | None,
        Meta(description="(x - mean) / std, of 0..255 pixels or of readings; one number, or one for each channel"),
    ] = None
    std: Annotated[tuple[float, ...] | None, Meta(description="see mean")] = None
    roi: Annotated[
        Roi | None, Meta(description="x0, y0, x1, y1 in captured-frame pixels: only this part is looked at")
    ] = None
    size: Annotated[
        tuple[Side, Side] | None, Meta(description="width, height of the input, where the model leaves that open")
    ] = None
    inputs: Annotated[
        dict[str, tuple[float, ...]] | None,
        Meta(description="real values of inputs that are always the same: one number, or all"),
    ] = None
    state: Annotated[
        dict[str, str] | None,
        Meta(description="which output each of these inputs is given the next time; normally found by their names"),
    ] = None


class Decode(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How outputs become predictions; what is not said comes from the model file."""

    kind: Annotated[str | None, Meta(description="which decoder; normally found from the model")] = None
    min_score: Annotated[Score | None, Meta(description="report only scores >= this")] = None
    max_results: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="report at most so many objects, best first")
    ] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="report at most so many classes, best first")
    ] = None
    iou: Annotated[Score | None, Meta(description="boxes that overlap more than this are one object")] = None
    nms: Annotated[
        Literal["weighted", "plain"] | None, Meta(description="average overlapping boxes, or keep the best")
    ] = None
    agnostic: Annotated[
        bool | None, Meta(description="overlapping boxes are one object even where their classes differ")
    ] = None
    activation: Annotated[
        Literal["none", "sigmoid", "softmax"] | None,
        Meta(description="what makes scores of the outputs; normally found from the model"),
    ] = None
    mean_of: Annotated[
        Annotated[int, Meta(ge=1, le=1000)] | None,
        Meta(description="results that a wake word's score is the mean of"),
    ] = None
    names: Annotated[tuple[str, ...] | None, Meta(description="of the numbers that a regression gives")] = None
    units: Annotated[tuple[str, ...] | None, Meta(description="of these numbers")] = None
    allow: Annotated[tuple[str, ...] | None, Meta(description="report only these classes, by label or number")] = None
    deny: Annotated[tuple[str, ...] | None, Meta(description="never report these classes")] = None
    threshold: Annotated[
        Annotated[float, Meta(gt=0.0)] | None, Meta(description="an anomaly is a score >= this (docs/anomaly.md)")
    ] = None
    statistics: Annotated[
        Path | None, Meta(description="what embeddings were like while all was normal (docs/anomaly.md)")
    ] = None
    gallery: Annotated[
        Path | None, Meta(description="known pictures that embeddings are compared with (docs/gallery.md)")
    ] = None
    match: Annotated[
        Literal["nearest", "mean"] | None,
        Meta(description="compare embeddings with the nearest picture of each label, or with the mean of all"),
    ] = None


class Origin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the model comes from."""

    package: Annotated[str | None, Meta(description="that carries it")] = None
    version: Annotated[str | None, Meta(description="of the package")] = None
    url: Annotated[str | None, Meta(description="where it was fetched")] = None
    file: Annotated[str | None, Meta(description="its name there")] = None
    sha256: Annotated[str | None, Meta(description="of that file, which may have been changed since")] = None
    note: Annotated[str | None, Meta(description="anything else, such as what was done to it")] = None


class ModelPart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model file of the bundle."""

    file: Annotated[Path, Meta(description="in the bundle's folder")]
    sha256: Annotated[str, Meta(description="of the file; another one is refused")]


class ModelFiles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model for the CPU, and perhaps the same model compiled for the Edge TPU."""

    file: Annotated[Path, Meta(description="in the bundle's folder")]
    sha256: Annotated[str, Meta(description="of the file; another one is refused")]
    edgetpu: Annotated[ModelPart | None, Meta(description="the same model, compiled for the Edge TPU")] = None


class Golden(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Frames and what the model must say about them; docs/bundle.md has what the limits were measured on."""

    file: Annotated[Path, Meta(description="in the bundle's folder")]
    compare: Annotated[
        Literal["boxes", "classes", "mask", "keypoints", "embedding", "measurements", "anomaly", "tensors"],
        Meta(description="what is expected: the prediction of the task"),
    ]
    min_iou: Annotated[Score, Meta(description="boxes, mask: overlap of what is expected with what is found")] = 0.85
    score_tolerance: Annotated[
        Score, Meta(description="boxes, classes, keypoints: of a score; runtimes differ by up to 0.1")
    ] = 0.1
    min_agreement: Annotated[Score, Meta(description="mask: part of the pixels that are of the expected class")] = 0.97
    max_distance: Annotated[
        Annotated[float, Meta(ge=0.0)],
        Meta(description="boxes, keypoints: of a point from its place, as a part of the object's longer side"),
    ] = 0.06
    min_cosine: Annotated[Score, Meta(description="embedding: of the angle to the expected vector")] = 0.98
    tolerance: Annotated[
        Annotated[float, Meta(ge=0.0)],
        Meta(description="measurements, anomaly: of a value, as a part of it"),
    ] = 0.1
    min_tolerance: Annotated[
        Annotated[float, Meta(ge=0.0)], Meta(description="measurements: never less than this, in their unit")
    ] = 0.0
    max_error: Annotated[
        Annotated[float, Meta(ge=0.0)],
        Meta(description="tensors: root of the summed squares of what is off, as a part of that of the values"),
    ] = 0.25


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """manifest.yaml of a bundle."""

    schema: Annotated[Literal["edge-infer/bundle@1"], Meta(description="of this file's format")]
    name: Annotated[str, Meta(min_length=1, description="what results call the model")]
    version: Annotated[str, Meta(description="semantic version")]
    sequence: Annotated[int, Meta(ge=1, description="grows with each release; an update never goes back")]
    task: Annotated[
        Literal["classify", "detect", "segment", "pose", "embed", "regress", "anomaly", "tensors"],
        Meta(description="what kind of prediction the model makes"),
    ]
    license: Annotated[str, Meta(description="of the model, such as Apache-2.0; unknown: nobody has said")]
    source: Annotated[Origin | None, Meta(description="where the model comes from")] = None
    model: Annotated[ModelFiles, Meta(description="the model files")]
    preprocess: Annotated[Prepare, Meta(description="how a picture or samples become the input")] = Prepare()
    decode: Annotated[Decode, Meta(description="how the outputs become a prediction")] = Decode()
    labels: Annotated[Path | None, Meta(description="one label a line, in the order of the classes")] = None
    golden: Annotated[
        Golden | None, Meta(description="pictures or windows of samples, and what the model must say about them")
    ] = None
