import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_infer.decode.landmarks_names import BODY_17
from edge_infer.decode.movenet import PERSON, MoveNetDecoder, MoveNetMultiDecoder
from edge_infer.types import Array, Geometry, TensorSpec

FLOAT = np.dtype(np.float32)
SINGLE, MULTI = TensorSpec("pose", (1, 1, 17, 3), FLOAT), TensorSpec("people", (1, 6, PERSON), FLOAT)
# A picture of 400x200 in the middle of an input of 200x200.
LETTERBOXED = Geometry((400, 200), (200, 200), scale=(0.5, 0.5), pad=(0, 50))


def test_points_are_mapped_from_shares_of_the_input_to_the_frame() -> None:
    raw = np.zeros((1, 1, 17, 3), np.float32)
    raw[0, 0, :, 2] = 0.5
    raw[0, 0, 0] = (0.5, 0.25, 0.9)  # y, x: in the middle of the height
    raw[0, 0, 1] = (0.05, 1.0, 0.8)  # in the border above: at the edge of the frame
    found = MoveNetDecoder(SINGLE)([raw], LETTERBOXED)
    assert found.names == BODY_17
    assert found.points[0].tolist() == [100, 100]
    assert found.points[1].tolist() == [400, 0]
    assert found.scores[:2] == pytest.approx([0.9, 0.8])
    assert found.score == pytest.approx((0.9 + 0.8 + 15 * 0.5) / 17)


def test_a_person_below_the_threshold_is_none() -> None:
    raw = np.full((1, 1, 17, 3), 0.2, np.float32)
    found = MoveNetDecoder(SINGLE, min_score=0.3)([raw], LETTERBOXED)
    assert len(found) == 0
    assert found.score == pytest.approx(0.2)
    assert len(MoveNetDecoder(SINGLE, min_score=0.2)([raw], LETTERBOXED)) == 17


@given(hnp.arrays(np.float32, (1, 1, 17, 3)))
def test_whatever_the_model_says_all_points_lie_in_the_frame(raw: Array) -> None:
    found = MoveNetDecoder(SINGLE)([raw], LETTERBOXED)
    assert len(found) == 17
    assert (found.points >= 0).all()
    assert (found.points <= (400, 200)).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    broken = ~((np.abs(raw[0, 0, :, :2]) < 1e6).all(axis=1) & np.isfinite(raw[0, 0, :, 2]))
    assert not found.scores[broken].any()


def people(*scores: float) -> Array:
    raw = np.zeros((1, 6, PERSON), np.float32)
    for row, score in enumerate(scores):
        raw[0, row, :51] = np.tile((0.5, 0.1 * row, 0.7), 17)
        raw[0, row, 51:] = (0.25, 0.1, 0.75, 0.5, score)
    return raw


def test_persons_come_best_first_with_box_and_points() -> None:
    found = MoveNetMultiDecoder(MULTI)([people(0.3, 0.9, 0.2, 0.25)], LETTERBOXED)
    assert found.scores == pytest.approx([0.9, 0.3, 0.25])
    assert found.labels == ("person",) * 3
    assert found.boxes[0] == pytest.approx([40, 0, 200, 200])
    assert found.keypoints is not None
    assert found.keypoints[0, 0] == pytest.approx([40, 100], abs=1e-4)
    assert found.keypoint_scores is not None
    assert found.keypoint_scores[0] == pytest.approx([0.7] * 17)


def test_at_most_so_many_persons_are_reported() -> None:
    decoder = MoveNetMultiDecoder(MULTI, ("human",), max_results=1)
    assert decoder([people(0.3, 0.9)], LETTERBOXED).labels == ("human",)


def test_nobody_is_an_empty_prediction() -> None:
    found = MoveNetMultiDecoder(MULTI)([people()], LETTERBOXED)
    assert len(found) == 0
    assert found.keypoints is not None
    assert found.keypoints.shape == (0, 17, 2)


def test_a_person_of_nan_is_nobody() -> None:
    raw = people(0.9, 0.8, np.nan)
    raw[0, 0, 52] = np.inf
    raw[0, 1, 0] = np.nan
    found = MoveNetMultiDecoder(MULTI)([raw], LETTERBOXED)
    assert found.scores == pytest.approx([0.8])
    assert found.keypoint_scores is not None
    assert found.keypoint_scores[0, :2].tolist() == [0, np.float32(0.7)]


@given(
    stored=hnp.arrays(np.uint8, (1, 6, PERSON)),
    scale=st.sampled_from([1 / 255, 1 / 200, 0.01]),
    min_score=st.floats(0, 1),
)
def test_stored_scores_are_kept_or_dropped_by_their_real_value(stored: Array, scale: float, min_score: float) -> None:
    spec = TensorSpec("people", (1, 6, PERSON), np.dtype(np.uint8), (scale,), (10,))
    found = MoveNetMultiDecoder(spec, min_score=min_score)([stored], LETTERBOXED)
    real = spec.real(stored[0, :, -1])
    assert found.scores.tolist() == sorted(np.clip(real[real >= np.float32(min_score)], 0, 1).tolist(), reverse=True)
