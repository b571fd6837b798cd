"""What a bundle's manifest.yaml may say (docs/bundle.md)."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

Score = Annotated[float, Meta(ge=0.0, le=1.0)]
Side = Annotated[int, Meta(ge=1, le=8192)]
Roi = tuple[float, float, float, float]


class Prepare(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a picture becomes the model's input; what is not said comes from the model file."""

    resize: Annotated[
        Literal["stretch", "letterbox", "letterbox-topleft"] | None,
        Meta(description="stretch to the input's size, or keep the aspect and pad"),
    ] = None
    pad: Annotated[int, Meta(ge=0, le=255, description="grey level of the padding")] | None = None
    color: Annotated[
        Literal["rgb", "bgr", "gray"] | None, Meta(description="order of the channels the model was trained with")
    ] = None
    mean: Annotated[
        tuple[float, ...] | None, Meta(description="(x - mean) / std of 0..255 pixels; one number or three")
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
    allow: Annotated[tuple[str, ...] | None, Meta(description="report only these classes, by label or number")] = None
    deny: Annotated[tuple[str, ...] | None, Meta(description="never report these classes")] = None


class Origin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the model comes from."""

    package: str | None = None
    version: str | None = None
    url: str | None = None
    file: str | None = None
    sha256: str | None = None
    note: str | None = None


class ModelPart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model file of the bundle."""

    file: Path
    sha256: str


class ModelFiles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model for the CPU, and perhaps the same model compiled for the Edge TPU."""

    file: Path
    sha256: str
    edgetpu: ModelPart | None = None


class Golden(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pictures and what the model must say about them."""

    file: Path
    compare: Literal["boxes"]
    min_iou: Annotated[float, Meta(ge=0.0, le=1.0, description="of each expected box with the found one")] = 0.85
    score_tolerance: Annotated[float, Meta(ge=0.0, le=1.0, description="runtimes differ by up to 0.1")] = 0.1


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """manifest.yaml of a bundle."""

    schema: Literal["edge-infer/bundle@1"]
    name: Annotated[str, Meta(min_length=1, description="what results call the model")]
    version: Annotated[str, Meta(description="semantic version")]
    sequence: Annotated[int, Meta(ge=1, description="grows with each release; an update never goes back")]
    task: Literal["classify", "detect", "segment", "pose", "embed", "regress", "tensors"]
    license: str
    source: Origin | None = None
    model: ModelFiles
    preprocess: Prepare = Prepare()
    decode: Decode = Decode()
    labels: Annotated[Path | None, Meta(description="one label a line, in the order of the classes")] = None
    golden: Golden | None = None
