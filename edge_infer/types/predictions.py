"""What models say: arrays with one row for each class, object, point or region, checked once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from edge_infer.types.arrays import Array, Size

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Category:
    """One class with its score in 0..1; `head` names the part of the model that says so, where it has several."""

    class_id: int
    label: str
    score: float
    head: str = ""


@dataclass(frozen=True, slots=True)
class Keypoint:
    """One named point in captured-frame pixels, with its score in 0..1; `z` where the model knows the depth."""

    name: str
    x: float
    y: float
    score: float
    z: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One object.

    Attributes:
        box: x0, y0, x1, y1 in captured-frame pixels
        keypoints: x, y pairs in captured-frame pixels
        keypoint_scores: of each keypoint, where the model gives them
        corners: of an oriented box, in order around it
        mask: `(ceil(y1) - floor(y0), ceil(x1) - floor(x0)) bool`, which pixels of its box are the object's
        track_id: the same in every frame that shows this object; None: it is not followed (yet)
        detail: what a second model says about this part of the picture
    """

    class_id: int
    label: str
    score: float
    box: tuple[float, float, float, float]
    keypoints: tuple[Point, ...] = ()
    keypoint_scores: tuple[float, ...] = ()
    corners: tuple[Point, ...] = ()
    mask: Array | None = None
    track_id: int | None = None
    detail: "Prediction | None" = None


@dataclass(frozen=True, slots=True)
class Region:
    """How much of the frame one class covers."""

    class_id: int
    label: str
    pixels: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number that a model estimates; `unit` as its author gives it, "" where none is known."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """Classification: `class_ids (n,) int`, `scores (n,) float32`, best first, lower id first on a tie.

    `heads (n)` is empty but for models with several heads, whose classes follow one another.
    """

    class_ids: Array
    scores: Array
    labels: tuple[str, ...]
    heads: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _same_length(len(self.labels), class_ids=self.class_ids, scores=self.scores)
        if self.heads:
            _same_length(len(self.labels), heads=self.heads)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Category]:
        heads = self.heads or ("",) * len(self)
        yield from map(Category, self.class_ids.tolist(), self.labels, self.scores.tolist(), heads)


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Objects, best first: `boxes (n, 4) float32 xyxy` and `keypoints (n, k, 2)` in captured-frame pixels.

    Attributes:
        keypoint_scores: `(n, k) float32`, where the model gives them
        corners: `(n, 4, 2) float32` of oriented boxes, in order around each; `boxes` encloses them
        masks: one for each object, as `Detection.mask`
        track_ids: `(n,) int`, -1 where an object is not followed (yet)
        details: what a second model says about each object, None where it was not asked
    """

    boxes: Array
    scores: Array
    class_ids: Array
    labels: tuple[str, ...]
    keypoints: Array | None = None
    keypoint_names: tuple[str, ...] = ()
    keypoint_scores: Array | None = None
    corners: Array | None = None
    masks: tuple[Array, ...] | None = None
    track_ids: Array | None = None
    details: "tuple[Prediction | None, ...] | None" = None

    def __post_init__(self) -> None:
        n, k = len(self.labels), len(self.keypoint_names)
        _same_length(n, boxes=self.boxes, scores=self.scores, class_ids=self.class_ids)
        _has_shape("boxes", self.boxes, (n, 4))
        _has_shape("keypoints", self.keypoints, (n, k, 2))
        _has_shape("keypoint_scores", self.keypoint_scores, (n, k))
        _has_shape("corners", self.corners, (n, 4, 2))
        for name in ("masks", "track_ids", "details"):
            if getattr(self, name) is not None:
                _same_length(n, **{name: getattr(self, name)})

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Detection]:
        points, point_scores, corners = map(self._rows, (self.keypoints, self.keypoint_scores, self.corners))
        masks = self.masks or (None,) * len(self)
        details = self.details or (None,) * len(self)
        tracks = [-1] * len(self) if self.track_ids is None else self.track_ids.tolist()
        for i, (class_id, score, box) in enumerate(
            zip(self.class_ids.tolist(), self.scores.tolist(), self.boxes.tolist(), strict=True)
        ):
            pairs, quad = tuple(map(tuple, points[i])), tuple(map(tuple, corners[i]))
            track_id = tracks[i] if tracks[i] >= 0 else None
            yield Detection(
                class_id,
                self.labels[i],
                score,
                tuple(box),
                pairs,
                tuple(point_scores[i]),
                quad,
                masks[i],
                track_id,
                details[i],
            )

    def to_supervision(self, size: Size | None = None) -> Any:
        """`supervision.Detections`; instance masks need the frame's size (width, height).

        Raises:
            ImportError: supervision is not installed.
        """
        from edge_infer.interop import detections_to_supervision

        return detections_to_supervision(self, size)

    def _rows(self, array: Array | None) -> list[Any]:
        return [()] * len(self) if array is None else array.tolist()


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Which class each pixel belongs to: `class_map (height, width) uint8 or uint16` of the captured frame's size.

    Iterating it gives the classes that are there, the largest first.
    """

    class_map: Array
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return int(np.count_nonzero(np.bincount(self.class_map.reshape(-1))))

    def __iter__(self) -> Iterator[Region]:
        pixels = np.bincount(self.class_map.reshape(-1))
        for class_id in np.argsort(-pixels, kind="stable")[: np.count_nonzero(pixels)].tolist():
            label = self.labels[class_id] if class_id < len(self.labels) else ""
            yield Region(class_id, label or str(class_id), int(pixels[class_id]))


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """The points of one body, hand or face: `points (k, 2) float32` in captured-frame pixels, `scores (k,)` in 0..1.

    Attributes:
        score: whether there is a body, hand or face at all, where the model says
        depths: `(k,) float32`, in the same unit as x, smaller is nearer; None where the model knows none
    """

    points: Array
    scores: Array
    names: tuple[str, ...]
    score: float | None = None
    depths: Array | None = None

    def __post_init__(self) -> None:
        _same_length(len(self.names), points=self.points, scores=self.scores)
        _has_shape("points", self.points, (len(self.names), 2))
        _has_shape("depths", self.depths, (len(self.names),))

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Keypoint]:
        depths = [None] * len(self) if self.depths is None else self.depths.tolist()
        x, y = self.points.T.tolist() if len(self) else ((), ())
        yield from map(Keypoint, self.names, x, y, self.scores.tolist(), depths)

    def to_supervision(self) -> Any:
        """`supervision.KeyPoints`.

        Raises:
            ImportError: supervision is not installed.
        """
        from edge_infer.interop import keypoints_to_supervision

        return keypoints_to_supervision(self)


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A feature vector `(d,) float32` of length 1; `nearest` are the known ones it resembles, where there are any."""

    vector: Array
    nearest: Classes | None = None

    def __len__(self) -> int:
        return len(self.vector)

    def __iter__(self) -> Iterator[float]:
        return iter(self.vector.tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Regression: `values (n,) float32` with a name and a unit for each."""

    values: Array
    names: tuple[str, ...]
    units: tuple[str, ...]

    def __post_init__(self) -> None:
        _same_length(len(self.names), values=self.values, units=self.units)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Measurement]:
        yield from map(Measurement, self.names, self.values.tolist(), self.units)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """How unusual a frame is: `score` >= `threshold` is more than what was learned as normal."""

    score: float
    threshold: float

    @property
    def is_anomaly(self) -> bool:
        """True where it is."""
        return self.score >= self.threshold

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator["Anomaly"]:
        yield self


@dataclass(frozen=True, slots=True, eq=False)
class Tensors:
    """The model's outputs as real numbers, by name: what remains when no task is known."""

    values: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[str, Array]]:
        return iter(self.values.items())


Prediction: TypeAlias = Classes | Detections | Mask | Keypoints | Embedding | Measurements | Anomaly | Tensors


def _same_length(n: int, **columns: Array | tuple[object, ...]) -> None:
    for name, column in columns.items():
        if len(column) != n:
            raise ValueError(f"{name} has {len(column)} rows, expected {n}")


def _has_shape(name: str, array: Array | None, shape: tuple[int, ...]) -> None:
    if array is not None and array.shape != shape:
        raise ValueError(f"{name} have shape {array.shape}, expected {shape}")
