import numpy as np
import pytest

from edge_infer.cli.described import describe
from edge_infer.types import (
    Anomaly,
    Classes,
    Detections,
    Embedding,
    Keypoints,
    Mask,
    Measurements,
    ModelId,
    Prediction,
    Result,
    Status,
    Tensors,
)

ONE = np.float32([0.5])


def lines(prediction: Prediction | None, status: Status = "ok", error: str | None = None) -> list[str]:
    return describe(Result("s", 0, 0.0, 0, (9, 9), "t", ModelId("m", "", ""), "cpu", prediction, status, error))


def detection(**more: object) -> Detections:
    return Detections(np.float32([[1, 2, 3, 4]]), ONE, np.array([7]), ("cat",), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        (Classes(np.array([7]), ONE, ("cat",)), ["0.500  cat  (class 7)"]),
        (Classes(np.array([7]), ONE, ("cat",), ("animal",)), ["0.500  animal: cat  (class 7)"]),
        (Anomaly(1.5, 2.0), ["1.5  normal  (threshold 2)"]),
        (Anomaly(2.0, 2.0), ["2  an anomaly  (threshold 2)"]),
        (detection(), ["0.500  cat  at 1, 2, 3, 4"]),
        (detection(masks=(np.ones((2, 2), bool),)), ["0.500  cat  at 1, 2, 3, 4, 4 pixels"]),
        (
            detection(corners=np.float32([[[1, 2], [3, 2], [3, 4], [1, 4]]])),
            ["0.500  cat  at 1, 2, 3, 4, corners 1,2 3,2 3,4 1,4"],
        ),
        (
            detection(keypoints=np.float32([[[5, 6]]]), keypoint_names=("nose",), keypoint_scores=np.float32([[0.25]])),
            ["0.500  cat  at 1, 2, 3, 4", "  0.250  nose  at 5, 6"],
        ),
        (
            detection(keypoints=np.float32([[[5, 6]]]), keypoint_names=("nose",)),
            ["0.500  cat  at 1, 2, 3, 4", "  nose  at 5, 6"],
        ),
        (Mask(np.uint8([[0, 2], [2, 2]]), ("", "", "dog")), [" 75.0%  dog  (class 2)", " 25.0%  0  (class 0)"]),
        (
            Keypoints(np.float32([[5, 6]]), ONE, ("nose",), 0.75, np.float32([-3])),
            ["0.750  in all", "0.500  nose  at 5, 6, depth -3"],
        ),
        (Embedding(np.float32([0.6, 0.8])), ["2 numbers, beginning with 0.600, 0.800"]),
        (
            Embedding(ONE, Classes(np.zeros(0, int), np.zeros(0, np.float32), ())),
            ["nothing known resembles it", "1 numbers, beginning with 0.500"],
        ),
        (
            Embedding(ONE, Classes(np.array([1]), ONE, ("Anna",))),
            ["0.500  Anna  (class 1)", "1 numbers, beginning with 0.500"],
        ),
        (Measurements(np.float32([21.5, 3]), ("warmth", "n"), ("°C", "")), ["warmth  21.5 °C", "n  3"]),
        (Tensors({"a": np.float32([[1, 2]])}), ["a  [1, 2]  [1. 2.]"]),
        (Classes(np.zeros(0, int), np.zeros(0, np.float32), ()), ["nothing found"]),
    ],
)
def test_every_prediction_is_told(prediction: Prediction, said: list[str]) -> None:
    assert lines(prediction) == said


def test_what_is_no_answer_or_a_doubtful_one_says_why() -> None:
    assert lines(None, "error", "the output is not a number") == ["error: the output is not a number"]
    assert lines(None, "timeout") == ["no answer (timeout)"]
    assert lines(detection(), "degraded", "no Edge TPU")[-1] == "degraded: no Edge TPU"
