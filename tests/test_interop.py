"""supervision itself is asked; scripts/test installs it."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from edge_infer.interop import keypoints_to_supervision
from edge_infer.types import Classes, Detections, Keypoints, ModelId, Prediction, Result

needs_supervision = pytest.mark.skipif(
    find_spec("supervision") is None, reason="needs supervision: pip install supervision"
)
foreign_warnings = pytest.mark.filterwarnings("ignore")

FOUND = Detections(
    np.float32([[1.5, 2, 10, 12], [-3, 0, 4, 4]]),
    np.float32([0.9, 0.5]),
    np.array([3, 7]),
    ("cat", "größer"),
    np.float32([[[1, 2]], [[3, 4]]]),
    ("nose",),
    np.float32([[0.8], [0.7]]),
    np.zeros((2, 4, 2), np.float32),
    (np.ones((10, 9), bool), np.ones((4, 7), bool)),
)


def result(prediction: Prediction | None) -> Result:
    return Result("s", 0, 0.0, 0, (20, 16), "detect", ModelId("m", "", ""), "cpu", prediction)


@needs_supervision
@foreign_warnings
def test_detections_arrive_with_boxes_masks_names_and_all_else() -> None:
    import supervision

    there = result(FOUND).to_supervision()
    assert isinstance(there, supervision.Detections)
    assert there.xyxy.tolist() == FOUND.boxes.tolist()
    assert there.confidence.tolist() == FOUND.scores.tolist()
    assert there.class_id.tolist() == [3, 7]
    assert there.data["class_name"].tolist() == ["cat", "größer"]
    assert there.mask.shape == (2, 16, 20)
    assert there.mask.sum(axis=(1, 2)).tolist() == [90, 16]  # what lies outside the frame is cut off
    assert there.mask[0, 2:12, 1:10].all()
    assert there[there.confidence > 0.6].data["class_name"].tolist() == ["cat"]
    assert there.data["xyxyxyxy"].shape == (2, 4, 2)
    assert len(supervision.Detections.merge([there, there])) == 4


@needs_supervision
@foreign_warnings
def test_supervision_draws_what_it_is_given() -> None:
    import supervision

    image = np.zeros((16, 20, 3), np.uint8)
    there = result(FOUND).to_supervision()
    for annotator in (supervision.BoxAnnotator(), supervision.MaskAnnotator()):
        assert annotator.annotate(image.copy(), there).any()
    points = keypoints_to_supervision(FOUND)
    assert supervision.VertexAnnotator().annotate(image.copy(), points).any()


@needs_supervision
@foreign_warnings
def test_nothing_seen_and_no_answer_are_empty() -> None:
    import supervision

    nothing = np.zeros(0, np.float32)
    none = Detections(np.zeros((0, 4), np.float32), nothing, nothing.astype(int), ())
    for prediction in (none, None):
        there = result(prediction).to_supervision()
        assert isinstance(there, supervision.Detections)
        assert len(there) == 0


@needs_supervision
@foreign_warnings
def test_points_become_key_points() -> None:
    import supervision

    one = Keypoints(np.float32([[1, 2], [3, 4]]), np.float32([0.5, 0.6]), ("a", "b"))
    there = result(one).to_supervision()
    assert isinstance(there, supervision.KeyPoints)
    assert there.xy.tolist() == [[[1, 2], [3, 4]]]
    assert keypoints_to_supervision(FOUND).class_id.tolist() == [3, 7]


def test_without_supervision_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match="supervision is not installed: pip install supervision"):
        FOUND.to_supervision((20, 16))


def test_what_cannot_be_said_there_is_refused() -> None:
    with pytest.raises(TypeError, match="nothing for Classes"):
        result(Classes(np.zeros(0, int), np.zeros(0, np.float32), ())).to_supervision()
    with pytest.raises(ValueError, match="need the size of the frame"):
        FOUND.to_supervision()
    with pytest.raises(ValueError, match="have no keypoints"):
        keypoints_to_supervision(Detections(FOUND.boxes, FOUND.scores, FOUND.class_ids, FOUND.labels))
