import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode.blazeface import COORDINATES, KEYPOINTS, BlazeFaceDecoder, anchors, find_outputs
from edge_infer.errors import ModelError
from edge_infer.types import Array, Detections, Geometry, Size, TensorSpec

SIZE = (128, 128)
COUNT = 896
SAME = Geometry(SIZE, SIZE)
FLOAT = np.dtype(np.float32)
NOTHING = -100.0


def specs(count: int = COUNT, scores: TensorSpec | None = None) -> list[TensorSpec]:
    return [
        TensorSpec("regressors", (1, count, COORDINATES), FLOAT),
        scores or TensorSpec("classificators", (1, count, 1), FLOAT),
    ]


def logit(score: float) -> float:
    return math.log(score / (1 - score))


def encoded(faces: dict[int, tuple[float, Array]], size: Size = SIZE, count: int = COUNT) -> list[Array]:
    """Raw outputs that say, at each anchor given, (score, [x0, y0, x1, y1, keypoints...])."""
    raw = np.zeros((1, count, COORDINATES), np.float32)
    logits = np.full((1, count, 1), NOTHING, np.float32)
    centres = anchors(size, count)
    for anchor, (score, points) in faces.items():
        low, high = points[:2], points[2:4]
        raw[0, anchor, :2] = (low + high) / 2 - centres[anchor]
        raw[0, anchor, 2:4] = high - low
        raw[0, anchor, 4:] = points[4:] - np.tile(centres[anchor], len(KEYPOINTS))
        logits[0, anchor] = logit(score)
    return [raw, logits]


def face(x: float, y: float, side: float = 40.0) -> Array:
    inside = np.float32([0.3, 0.3, 0.7, 0.3, 0.5, 0.5, 0.5, 0.7, 0.1, 0.4, 0.9, 0.4]) * side
    return np.concatenate([np.float32([x, y, x + side, y + side]), inside + np.tile(np.float32([x, y]), 6)])


def decode(outputs: list[Array], **options: object) -> Detections:
    return BlazeFaceDecoder(specs(), SIZE, **options)(outputs, SAME)


@pytest.mark.parametrize(
    ("size", "count", "first", "last"),
    [
        ((128, 128), 896, (4, 4), (120, 120)),  # front: strides 8 and 16
        ((192, 192), 2304, (2, 2), (190, 190)),  # full range: stride 4
        ((256, 256), 896, (8, 8), (240, 240)),  # back: strides 16 and 32
    ],
)
def test_anchors_are_those_of_the_published_graphs(
    size: Size, count: int, first: tuple[int, int], last: tuple[int, int]
) -> None:
    centres = anchors(size, count)
    assert centres.shape == (count, 2)
    assert tuple(centres[0]) == first
    assert tuple(centres[-1]) == last
    assert centres.min() > 0
    assert centres.max() < size[0]


def test_anchors_run_along_rows_and_share_their_cell() -> None:
    centres = anchors(SIZE, COUNT)
    assert centres[:4].tolist() == [[4, 4], [4, 4], [12, 4], [12, 4]]
    assert centres[512:519].tolist() == [[8, 8]] * 6 + [[24, 8]]


def test_a_number_of_anchors_that_is_not_known_is_refused() -> None:
    with pytest.raises(ModelError, match="128x128 and 900 anchors is not known"):
        anchors(SIZE, 900)


@given(
    anchor=st.integers(0, COUNT - 1),
    corner=st.tuples(st.floats(0, 80), st.floats(0, 80)),
    side=st.floats(4, 40),
    score=st.floats(0.5, 0.999),
)
def test_an_encoded_face_is_decoded_to_itself(
    anchor: int, corner: tuple[float, float], side: float, score: float
) -> None:
    points = face(*corner, side)
    found = decode(encoded({anchor: (score, points)}), min_score=0.4)
    assert len(found) == 1
    assert found.boxes[0] == pytest.approx(points[:4], abs=1e-3)
    assert found.keypoints is not None
    assert found.keypoints.reshape(-1) == pytest.approx(points[4:], abs=1e-3)
    assert found.scores[0] == pytest.approx(score, abs=1e-4)


def test_six_keypoints_are_named() -> None:
    (one,) = decode(encoded({0: (0.9, face(10, 10))}))
    assert one.label == "face"
    assert len(one.keypoints) == 6
    assert KEYPOINTS == ("right_eye", "left_eye", "nose_tip", "mouth_center", "right_ear", "left_ear")


@pytest.mark.parametrize("suppression", ["weighted", "plain"])
def test_no_face_is_an_empty_prediction(suppression: str) -> None:
    found = decode(encoded({}), suppression=suppression)
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.keypoints is not None
    assert found.keypoints.shape == (0, 6, 2)


def test_points_are_mapped_and_clipped_to_the_frame() -> None:
    letterboxed = Geometry((256, 128), SIZE, scale=(0.5, 0.5), pad=(0, 32))
    (one,) = BlazeFaceDecoder(specs(), SIZE)(encoded({0: (0.9, face(-10, 52))}), letterboxed)
    assert one.box == pytest.approx((0, 40, 60, 120))
    assert one.keypoints[0] == pytest.approx((4, 64))
    assert one.keypoints[4] == (0, pytest.approx(72))


NEAR = {0: (0.9, face(10, 10)), 5: (0.6, face(14, 12)), 9: (0.8, face(70, 70)), 11: (0.7, face(11, 9))}


def test_weighted_suppression_averages_by_score() -> None:
    found = decode(encoded(NEAR))
    near = [NEAR[i] for i in (0, 11, 5)]
    average = sum(score * points for score, points in near) / sum(score for score, _ in near)
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])
    assert found.boxes[0] == pytest.approx(average[:4], abs=1e-3)
    assert found.keypoints is not None
    assert found.keypoints[0].reshape(-1) == pytest.approx(average[4:], abs=1e-3)
    assert found.boxes[1] == pytest.approx(NEAR[9][1][:4], abs=1e-3)


def test_plain_suppression_keeps_the_best() -> None:
    found = decode(encoded(NEAR), suppression="plain")
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])
    assert found.boxes[0] == pytest.approx(NEAR[0][1][:4], abs=1e-3)


def test_at_most_so_many_faces_are_reported() -> None:
    assert decode(encoded(NEAR), max_results=1).scores.tolist() == pytest.approx([0.9])


def test_faces_that_overlap_less_than_the_limit_are_two() -> None:
    assert len(decode(encoded(NEAR), iou=0.95)) == 4


@given(
    scale=st.floats(0.001, 1.0),
    zero_point=st.integers(-128, 127),
    min_score=st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 0.5, 1.0])),
)
def test_every_stored_score_is_kept_or_dropped_by_its_real_value(
    scale: float, zero_point: int, min_score: float
) -> None:
    spec = TensorSpec("classificators", (1, COUNT, 1), np.dtype(np.int8), (scale,), (zero_point,))
    decoder = BlazeFaceDecoder(specs(scores=spec), SIZE, min_score=min_score, iou=1.0, suppression="plain")
    stored = np.full((1, COUNT, 1), -128, np.int8)
    stored[0, :256, 0] = np.arange(-128, 128)
    real = np.clip(spec.real(stored.reshape(-1)), -80, 80)
    scores = np.float32(1) / (1 + np.exp(-real))
    found = decoder([np.zeros((1, COUNT, COORDINATES), np.float32), stored], SAME)
    assert found.scores.tolist() == sorted((s for s in scores.tolist() if s >= np.float32(min_score)), reverse=True)


def test_hopeless_scores_do_not_overflow() -> None:
    outputs = encoded({})
    outputs[1][:] = -1e30
    found = decode(outputs, min_score=0.0, iou=0.0)
    assert np.isfinite(found.boxes).all()
    assert found.scores.max() < 1e-30


def test_outputs_are_found_in_either_order() -> None:
    assert find_outputs(specs()) == (0, 1)
    assert find_outputs(specs()[::-1]) == (1, 0)
    outputs = encoded({0: (0.9, face(10, 10))})
    assert len(BlazeFaceDecoder(specs()[::-1], SIZE)(outputs[::-1], SAME)) == 1


@pytest.mark.parametrize("shapes", [[(1, 896, 16)], [(1, 896, 16), (1, 800, 1)], [(1, 10, 4), (1, 10)], []])
def test_other_outputs_are_not_taken_for_faces(shapes: list[tuple[int, ...]]) -> None:
    others = [TensorSpec("x", shape, FLOAT) for shape in shapes]
    assert find_outputs(others) is None
    with pytest.raises(ModelError, match="this model has other ones"):
        BlazeFaceDecoder(others, SIZE)


@pytest.mark.parametrize("broken", [np.inf, -np.inf, np.nan, 1e30])
def test_a_face_without_a_place_is_none(broken: float) -> None:
    outputs = encoded({10: (0.9, face(20, 20)), 800: (0.8, face(60, 60))})
    outputs[0][0, 10, 3] = broken
    assert [round(float(score), 3) for score in decode(outputs).scores] == [0.8]
