"""What a model said about one frame, and which model it was."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from edge_infer.types.arrays import Size
from edge_infer.types.frames import Frame, Span
from edge_infer.types.predictions import Detections, Keypoints, Prediction

Status: TypeAlias = Literal["ok", "degraded", "timeout", "error"]


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
    span: Span | None = None
    media_s: float | None = None

    @classmethod
    def of(cls, frame: Frame, **answer: Any) -> "Result":
        """What was answered about this frame."""
        answer |= {"span": frame.span, "media_s": frame.media_s}
        return cls(frame.source, frame.number, frame.captured_at, frame.captured_ns, frame.size, **answer)

    @property
    def clock_s(self) -> float:
        """As `Frame.clock_s`."""
        return self.captured_ns / 1e9 if self.media_s is None else self.media_s

    def __len__(self) -> int:
        return 0 if self.prediction is None else len(self.prediction)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.prediction or ())

    def to_supervision(self) -> Any:
        """`supervision.Detections` of the objects, or `supervision.KeyPoints` of one body, hand or face.

        Without an answer there are no detections in it. `edge_infer.interop` has the points of detections.

        Raises:
            ImportError: supervision is not installed.
            TypeError: supervision has nothing for such a prediction.
        """
        match self.prediction:
            case Detections():
                return self.prediction.to_supervision(self.size)
            case Keypoints():
                return self.prediction.to_supervision()
            case None:
                nothing = np.zeros(0, np.float32)
                return Detections(np.zeros((0, 4), np.float32), nothing, nothing.astype(int), ()).to_supervision()
        raise TypeError(f"supervision has detections and keypoints, nothing for {type(self.prediction).__name__}")
