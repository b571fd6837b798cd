from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_infer.bundle.bundle import Bundle
from edge_infer.bundle.manifest import Golden
from edge_infer.errors import ModelError
from edge_infer.golden import golden_problems
from edge_infer.types import Array, Classes, Detections, Frame, Prediction

FRAME = np.zeros((8, 8, 3), np.uint8)
BOXES = np.float32([[0, 0, 100, 100], [200, 200, 300, 300]])


def detections(
    boxes: Array = BOXES, scores: tuple[float, ...] = (0.9, 0.7), class_ids: tuple[int, ...] = (1, 2)
) -> Detections:
    return Detections(boxes, np.float32(scores), np.array(class_ids, int), ("x",) * len(boxes))


class saying:  # noqa: N801 - reads like what it is: a model, saying these
    """A model that answers with one prediction after the other."""

    def __init__(self, *predictions: Prediction | None) -> None:
        self._waiting = iter(predictions)

    def predict(self, _frame: Frame) -> Any:
        return SimpleNamespace(prediction=next(self._waiting))

    def forget(self) -> None:
        """It remembers nothing."""


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    path = tmp_path / "golden.npz"
    pictures: dict[str, Array] = {}
    for i in range(2):
        pictures |= {f"frame_{i}": FRAME, f"boxes_{i}": BOXES, f"scores_{i}": np.float32([0.9, 0.7])}
        pictures[f"class_ids_{i}"] = np.array([1, 2])
    np.savez_compressed(path, **pictures)
    return path


def problems(path: Path, model: Any) -> list[str] | None:
    bundle = Bundle("m", "", path, None, {}, golden=Golden(file=path, compare="boxes"))
    return golden_problems(bundle, model)


def test_a_model_that_says_what_is_expected_has_no_problems(golden: Path) -> None:
    assert problems(golden, saying(detections(), detections())) == []


def test_runtimes_may_differ_a_little_and_in_order(golden: Path) -> None:
    nearly = detections((BOXES + 3)[::-1], (0.78, 0.82), (2, 1))
    assert problems(golden, saying(detections(), nearly)) == []


@pytest.mark.parametrize(
    ("prediction", "problem"),
    [
        (detections(BOXES[:1], (0.9,), (1,)), "1 objects found, 2 expected"),
        (detections(BOXES + np.float32([[0], [60]])), "no object where class 2 is expected (overlap 0.09)"),
        (detections(class_ids=(1, 1)), "no object where class 2 is expected (overlap 0.00)"),
        (detections(scores=(0.9, 0.5)), "score 0.50, 0.70 expected"),
        (Classes(np.array([1]), np.float32([1]), ("x",)), "the model gives no detections"),
        (None, "the model gives no detections"),
    ],
)
def test_what_differs_is_said_with_its_picture(golden: Path, prediction: Prediction | None, problem: str) -> None:
    assert problems(golden, saying(detections(), prediction)) == [f"picture 1: {problem}"]


def test_a_bundle_without_a_golden_test_has_none() -> None:
    assert golden_problems(Bundle("m", "", Path("m.tflite"), None, {}), saying()) is None


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "garbage":
        path.write_bytes(b"no pictures" * 9)
    elif how == "flipped":
        middle = whole.index(b"boxes_0.npy") + 40
        path.write_bytes(
            whole[:middle] + bytes(byte ^ 255 for byte in whole[middle : middle + 60]) + whole[middle + 60 :]
        )
    elif how == "missing":
        path.unlink()
    elif how == "one array":
        with path.open("wb") as file:
            np.save(file, FRAME)
    elif how == "pickled":
        np.savez(path, frame_0=np.array([object()]))


@pytest.mark.parametrize("how", ["empty", "cut", "garbage", "flipped", "missing", "one array", "pickled"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # numpy.load leaves a file that is no archive to the collector
def test_a_damaged_file_is_named(golden: Path, how: str) -> None:
    damage(golden, how)
    with pytest.raises(ModelError, match=r"golden\.npz is damaged"):
        problems(golden, saying(detections(), detections()))


@pytest.mark.parametrize(
    "pictures",
    [
        {},
        {"other": FRAME},
        {"frame_1": FRAME},
        {"frame_0": FRAME, "boxes_0": BOXES, "scores_0": np.zeros(2)},
        {"frame_0": FRAME, "boxes_0": BOXES, "scores_0": np.zeros(3), "class_ids_0": np.zeros(2)},
        {"frame_0": FRAME, "boxes_0": BOXES.T, "scores_0": np.zeros(2), "class_ids_0": np.zeros(2)},
    ],
)
def test_a_file_that_proves_nothing_is_damaged(tmp_path: Path, pictures: dict[str, Array]) -> None:
    path = tmp_path / "golden.npz"
    np.savez(path, **pictures)
    with pytest.raises(ModelError, match=r"golden\.npz is damaged"):
        problems(path, saying(detections()))
