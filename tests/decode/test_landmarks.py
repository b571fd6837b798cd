"""MediaPipe's landmark models; the refinement as refine_landmarks_from_heatmap_calculator.cc has it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_infer.decode.landmarks import LandmarksDecoder, find_outputs, refine
from edge_infer.decode.landmarks_names import BODY_33, HAND_21
from edge_infer.errors import ModelError
from edge_infer.types import Array, Geometry, TensorSpec

FLOAT = np.dtype(np.float32)
BODY = ((1, 195), (1, 1), (1, 256, 256, 1), (1, 64, 64, 39), (1, 117))
HAND = ((1, 63), (1, 1), (1, 1), (1, 63))
FACE = ((1, 1, 1, 1404), (1, 1, 1, 1))
# A picture of 512x256 in the middle of 256x256.
LETTERBOXED = Geometry((512, 256), (256, 256), scale=(0.5, 0.5), pad=(0, 64))


def specs(shapes: tuple[tuple[int, ...], ...]) -> list[TensorSpec]:
    return [TensorSpec(f"Identity_{i}", shape, FLOAT) for i, shape in enumerate(shapes)]


def zeros(shapes: tuple[tuple[int, ...], ...]) -> list[Array]:
    return [np.zeros(shape, np.float32) for shape in shapes]


def test_a_body_has_33_named_points_in_the_frame() -> None:
    outputs = zeros(BODY)
    raw = outputs[0].reshape(39, 5)
    raw[:] = (128, 128, -20, 2, 4)
    raw[15] = (64, 96, 10, -3, 4)
    outputs[1][:] = 0.8
    outputs[3][:] = -9  # the heat map is nowhere sure
    found = LandmarksDecoder(specs(BODY))(outputs, LETTERBOXED)
    assert found.names == BODY_33
    assert found.score == pytest.approx(0.8)
    wrist = list(found)[15]
    assert (wrist.name, wrist.x, wrist.y, wrist.z) == ("left_wrist", 128, 64, 20)
    assert wrist.score == pytest.approx(1 / (1 + math.exp(3)))


def test_nobody_is_no_points_but_a_score() -> None:
    outputs = zeros(BODY)
    outputs[1][:] = 0.3
    found = LandmarksDecoder(specs(BODY))(outputs, LETTERBOXED)
    assert len(found) == 0
    assert found.score == pytest.approx(0.3)
    assert len(LandmarksDecoder(specs(BODY), min_score=0.25)(outputs, LETTERBOXED)) == 33


def test_a_hand_has_21_points_and_its_depths_are_scaled_as_in_the_graph() -> None:
    outputs = zeros(HAND)
    outputs[0].reshape(21, 3)[8] = (100, 164, -40)
    outputs[1][:], outputs[2][:] = 0.9, 0.1  # a hand for sure; rather a right one
    found = LandmarksDecoder(specs(HAND))(outputs, LETTERBOXED)
    assert found.names == HAND_21
    tip = list(found)[8]
    assert (tip.name, tip.x, tip.y) == ("index_finger_tip", 200, 200)
    assert tip.z == pytest.approx(-40 / 0.5 / 0.4)
    assert tip.score == pytest.approx(0.9)


@pytest.mark.parametrize("points", [468, 478])
def test_a_face_is_a_mesh_and_its_flag_a_logit(points: int) -> None:
    shapes = ((1, 1, 1, 3 * points), (1, 1, 1, 1))
    outputs = zeros(shapes)
    outputs[1][:] = 2.0
    found = LandmarksDecoder(specs(shapes))(outputs, LETTERBOXED)
    assert len(found) == points
    assert found.score == pytest.approx(1 / (1 + math.exp(-2)))
    outputs[1][:] = -2.0
    assert len(LandmarksDecoder(specs(shapes))(outputs, LETTERBOXED)) == 0


def refined_by_hand(points: Array, heat: Array, size: tuple[int, int]) -> list[list[float]]:
    rows, columns, count = heat.shape
    result = []
    for k in range(count):
        x, y = points[k] / np.float32(size)
        column, row = int(x * columns), int(y * rows)
        if not (0 <= column < columns and 0 <= row < rows):
            result.append([float(v) for v in points[k]])
            continue
        total = weighted_x = weighted_y = highest = 0.0
        for i in range(max(0, row - 3), min(rows, row + 4)):
            for j in range(max(0, column - 3), min(columns, column + 4)):
                confidence = 1 / (1 + math.exp(-heat[i, j, k]))
                total += confidence
                highest = max(highest, confidence)
                weighted_x += j * confidence
                weighted_y += i * confidence
        if highest >= 0.5:
            x, y = weighted_x / columns / total, weighted_y / rows / total
        result.append([x * size[0], y * size[1]])
    return result


EIGHTHS = st.integers(-48, 16).map(lambda eighths: eighths / 8)  # none within a rounding of the limit
PLACES = st.integers(-40, 440).map(lambda quarters: quarters / 4 + 0.0625)  # none on the border of two cells


@given(
    heat=hnp.arrays(np.float32, st.tuples(st.integers(3, 12), st.integers(3, 12), st.just(4)), elements=EIGHTHS),
    points=hnp.arrays(np.float32, (4, 2), elements=PLACES),
)
def test_points_move_to_the_heat_as_the_published_calculator_moves_them(heat: Array, points: Array) -> None:
    assert refine(points, heat, (96, 96)) == pytest.approx(np.array(refined_by_hand(points, heat, (96, 96))), abs=1e-2)


@given(raw=hnp.arrays(np.float32, (1, 195)))
def test_whatever_the_model_says_all_points_lie_in_the_frame(raw: Array) -> None:
    outputs = [raw, *zeros(BODY[1:])]
    outputs[1][:] = 1
    found = LandmarksDecoder(specs(BODY))(outputs, LETTERBOXED)
    assert len(found) == 33
    assert (found.points >= 0).all()
    assert (found.points <= (512, 256)).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert found.depths is not None
    assert np.isfinite(found.depths).all()


def test_a_flag_of_nan_is_nobody() -> None:
    outputs = zeros(HAND)
    outputs[1][:] = np.nan
    found = LandmarksDecoder(specs(HAND), min_score=0.0)(outputs, LETTERBOXED)
    assert (len(found), found.score) == (0, 0.0)


@pytest.mark.parametrize("shapes", [((1, 195),), ((1, 10), (1, 1)), ((1, 4, 1, 63), (1, 1))])
def test_other_outputs_are_not_taken_for_landmarks(shapes: tuple[tuple[int, ...], ...]) -> None:
    assert find_outputs(specs(shapes)) is None
    with pytest.raises(ModelError, match="this model has other ones"):
        LandmarksDecoder(specs(shapes))
