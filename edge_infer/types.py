"""The types that travel between rooms: frames, geometry, tensors, predictions, results.

Conventions: images are `(height, width, 3) uint8` BGR as OpenCV gives them; sizes are `(width, height)`;
boxes are `xyxy float32` in captured-frame pixels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Size: TypeAlias = tuple[int, int]
Status: TypeAlias = Literal["ok", "degraded", "timeout", "error"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture, and when it was taken.

    Attributes:
        source: name of the source
        number: counts from 0 for each time the source is opened; gaps are frames that were dropped
        data: `(height, width, 3) uint8` BGR
        captured_at: wall clock, seconds since 1970: for people
        captured_ns: monotonic clock, ns: for ages and timeouts (a Pi's wall clock jumps)
        path: the file it was read from, if any
    """

    source: str
    number: int
    data: Array
    captured_at: float
    captured_ns: int
    path: str | None = None

    @property
    def size(self) -> Size:
        """(width, height) in pixels."""
        height, width = self.data.shape[:2]
        return width, height


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a captured frame became a model input: `input = (frame - crop origin) * scale + pad`, per axis."""

    frame_size: Size
    input_size: Size
    origin: tuple[float, float] = (0.0, 0.0)  # of the crop in the frame, px
    scale: tuple[float, float] = (1.0, 1.0)  # input px per frame px
    pad: tuple[float, float] = (0.0, 0.0)  # input px left of and above the picture

    def to_frame(self, points: Array) -> Array:
        """Model-input pixels `(..., 2 k)` as x, y pairs to captured-frame pixels, clipped to the frame."""
        pairs: Array = points.reshape(*points.shape[:-1], points.shape[-1] // 2, 2).astype(np.float32)
        pairs = (pairs - np.asarray(self.pad, np.float32)) / np.asarray(self.scale, np.float32)
        pairs += np.asarray(self.origin, np.float32)
        np.clip(pairs, 0.0, np.asarray(self.frame_size, np.float32), out=pairs)
        return pairs.reshape(points.shape)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model.

    `scale` and `zero_point` are empty for a tensor that is not quantised, one value for per-tensor and
    n values for per-channel quantisation: `real = (stored - zero_point) * scale`
    (Source: TFLite quantization specification). A scale of 0 means "not quantised".
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()
    quantized_dimension: int = 0

    @property
    def quantized(self) -> bool:
        """True where stored integers stand for real numbers."""
        return any(self.scale) and self.dtype.kind in "iu"

    def real(self, stored: Array) -> Array:
        """Stored values as float32 real values (per-tensor quantisation, or none)."""
        if not self.quantized:
            return stored.astype(np.float32, copy=False)
        return (stored.astype(np.float32) - np.float32(self.zero_point[0])) * np.float32(self.scale[0])


@dataclass(frozen=True, slots=True)
class Category:
    """One class with its score in 0..1."""

    class_id: int
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Detection:
    """One object. `box` is x0, y0, x1, y1; `keypoints` are x, y pairs; both in captured-frame pixels."""

    class_id: int
    label: str
    score: float
    box: tuple[float, float, float, float]
    keypoints: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """Classification: `class_ids (n,) int`, `scores (n,) float32`, best first, lower id first on a tie."""

    class_ids: Array
    scores: Array
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        _same_length(len(self.labels), class_ids=self.class_ids, scores=self.scores)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Category]:
        for class_id, label, score in zip(self.class_ids.tolist(), self.labels, self.scores.tolist(), strict=True):
            yield Category(class_id, label, score)


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Objects, best first: `boxes (n, 4) float32 xyxy` and `keypoints (n, k, 2)` in captured-frame pixels."""

    boxes: Array
    scores: Array
    class_ids: Array
    labels: tuple[str, ...]
    keypoints: Array | None = None
    keypoint_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _same_length(len(self.labels), boxes=self.boxes, scores=self.scores, class_ids=self.class_ids)
        if self.boxes.shape != (len(self.labels), 4):
            raise ValueError(f"boxes have shape {self.boxes.shape}, expected ({len(self.labels)}, 4)")
        if self.keypoints is not None:
            expected = (len(self.labels), len(self.keypoint_names), 2)
            if self.keypoints.shape != expected:
                raise ValueError(f"keypoints have shape {self.keypoints.shape}, expected {expected}")

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Detection]:
        points = [[]] * len(self) if self.keypoints is None else self.keypoints.tolist()
        rows = zip(
            self.class_ids.tolist(),
            self.labels,
            self.scores.tolist(),
            self.boxes.tolist(),
            points,
            strict=True,
        )
        for class_id, label, score, box, pairs in rows:
            yield Detection(class_id, label, score, tuple(box), tuple((x, y) for x, y in pairs))


@dataclass(frozen=True, slots=True, eq=False)
class Tensors:
    """The model's outputs as real numbers, by name: what remains when no task is known."""

    values: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[str, Array]]:
        return iter(self.values.items())


Prediction: TypeAlias = Classes | Detections | Tensors


@dataclass(frozen=True, slots=True)
class ModelId:
    """Which model answered; `sha256` is of the file that ran."""

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a model said about one frame; iterating it gives its categories or detections.

    "Nothing seen" is `status == "ok"` with an empty prediction; "no answer" is `timeout` or `error` with none.
    """

    source: str
    number: int
    captured_at: float
    captured_ns: int
    size: Size
    task: str
    model: ModelId
    device: str
    prediction: Prediction | None
    status: Status = "ok"
    error: str | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)  # frames since the last result, by cause

    @classmethod
    def of(cls, frame: Frame, **answer: Any) -> "Result":
        """What was answered about this frame."""
        return cls(frame.source, frame.number, frame.captured_at, frame.captured_ns, frame.size, **answer)

    def __len__(self) -> int:
        return 0 if self.prediction is None else len(self.prediction)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.prediction or ())


def _same_length(n: int, **arrays: Array) -> None:
    for name, array in arrays.items():
        if len(array) != n:
            raise ValueError(f"{name} has {len(array)} rows, expected {n}")
