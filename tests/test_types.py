import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge_infer.prepare.image import ImageOptions, Resize, fit
from edge_infer.types import (
    Classes,
    Detections,
    Frame,
    Geometry,
    Keypoints,
    Mask,
    Measurements,
    ModelId,
    Result,
    Tensors,
    TensorSpec,
)

sides = st.integers(1, 2000)
sizes = st.tuples(sides, sides)
shares = st.floats(0.0, 1.0)


def boxes(count: int) -> Detections:
    return Detections(
        boxes=np.tile(np.float32([1, 2, 3, 4]), (count, 1)),
        scores=np.full(count, 0.5, np.float32),
        class_ids=np.zeros(count, np.int64),
        labels=("cat",) * count,
    )


@given(
    frame_size=sizes,
    input_size=st.tuples(st.integers(16, 600), st.integers(16, 600)),
    resize=st.sampled_from(["stretch", "letterbox", "letterbox-topleft"]),
    corners=st.tuples(shares, shares, shares, shares),
    point=st.tuples(shares, shares),
)
def test_a_point_mapped_into_the_input_comes_back_within_half_a_pixel(
    frame_size: tuple[int, int],
    input_size: tuple[int, int],
    resize: Resize,
    corners: tuple[float, float, float, float],
    point: tuple[float, float],
) -> None:
    (left, right), (top, bottom) = (sorted(round(s * side) for s in corners[i::2]) for i, side in enumerate(frame_size))
    assume(left < right and top < bottom)
    part = (right - left, bottom - top)
    geometry = fit(frame_size, part, (left, top), input_size, ImageOptions(resize=resize))
    x, y = left + point[0] * part[0], top + point[1] * part[1]
    forward = [(value - geometry.origin[i]) * geometry.scale[i] + geometry.pad[i] for i, value in enumerate((x, y))]
    assert all(-1e-3 <= value <= input_size[i] + 1e-3 for i, value in enumerate(forward))
    assert geometry.to_frame(np.array([forward])) == pytest.approx(np.array([[x, y]]), abs=0.5)


def test_boxes_and_keypoints_are_clipped_to_the_frame() -> None:
    geometry = Geometry((200, 100), (50, 50), scale=(0.25, 0.5))
    points = np.float32([[-10, -10, 60, 60, 25, 25]])
    assert geometry.to_frame(points).tolist() == [[0, 0, 200, 100, 100, 50]]


@pytest.mark.parametrize("width", [4, 16])
def test_no_boxes_are_mapped_to_no_boxes(width: int) -> None:
    assert Geometry((10, 10), (10, 10)).to_frame(np.zeros((0, width), np.float32)).shape == (0, width)


def test_mapping_leaves_its_argument_alone() -> None:
    points = np.float32([[1, 2]])
    Geometry((10, 10), (5, 5), scale=(0.5, 0.5)).to_frame(points)
    assert points.tolist() == [[1, 2]]


@given(scale=st.floats(1e-4, 10.0), zero_point=st.integers(-128, 127), stored=st.integers(-128, 127))
def test_real_values_follow_the_quantisation(scale: float, zero_point: int, stored: int) -> None:
    spec = TensorSpec("t", (1,), np.dtype(np.int8), (scale,), (zero_point,))
    real = spec.real(np.array([stored], np.int8))
    assert real.dtype == np.float32
    assert real[0] == pytest.approx((stored - zero_point) * scale, rel=1e-6)


@pytest.mark.parametrize("scale", [(), (0.0,)])
def test_without_a_scale_stored_values_are_the_real_ones(scale: tuple[float, ...]) -> None:
    spec = TensorSpec("t", (2,), np.dtype(np.uint8), scale, (0,) * len(scale))
    assert not spec.quantized
    assert spec.real(np.uint8([0, 200])).tolist() == [0.0, 200.0]


def test_a_float_tensor_is_never_quantised() -> None:
    spec = TensorSpec("t", (1,), np.dtype(np.float32), (0.5,), (3,))
    assert spec.real(np.float32([7.0])).tolist() == [7.0]


def test_classes_are_iterated_as_categories() -> None:
    classes = Classes(np.array([3, 1]), np.float32([0.75, 0.25]), ("cat", "dog"))
    assert [(c.class_id, c.label, c.score) for c in classes] == [(3, "cat", 0.75), (1, "dog", 0.25)]


def test_detections_are_iterated_with_their_keypoints() -> None:
    points = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    found = Detections(
        np.float32([[1, 2, 3, 4]]), np.float32([0.5]), np.array([7]), ("face",), points, ("left_eye", "right_eye")
    )
    (one,) = found
    assert one.box == (1, 2, 3, 4)
    assert one.keypoints == ((0, 1), (2, 3))
    assert one.class_id == 7


def test_detections_are_iterated_with_corners_and_mask() -> None:
    mask, corners = np.ones((2, 2), bool), np.arange(8, dtype=np.float32).reshape(1, 4, 2)
    box = np.float32([[1, 2, 3, 4]])
    (one,) = Detections(box, np.float32([0.5]), np.array([7]), ("ship",), corners=corners, masks=(mask,))
    assert one.corners == ((0, 1), (2, 3), (4, 5), (6, 7))
    assert one.mask is mask


def test_a_mask_is_iterated_by_its_classes_the_largest_first() -> None:
    mask = Mask(np.uint8([[1, 1, 3], [0, 3, 3]]), ("background", "cat"))
    regions = [(3, "3", 3), (1, "cat", 2), (0, "background", 1)]
    assert [(r.class_id, r.label, r.pixels) for r in mask] == regions
    assert len(mask) == 3


def test_keypoints_are_iterated_by_their_names() -> None:
    points = Keypoints(np.float32([[1, 2], [3, 4]]), np.float32([0.5, 1]), ("nose", "eye"), depths=np.float32([5, 6]))
    assert [(p.name, p.x, p.y, p.score, p.z) for p in points] == [("nose", 1, 2, 0.5, 5), ("eye", 3, 4, 1, 6)]
    assert list(Keypoints(np.zeros((0, 2)), np.zeros(0), ())) == []


def test_measurements_are_iterated_with_their_units() -> None:
    found = Measurements(np.float32([21.5, 0.5]), ("room", "risk"), ("°C", ""))
    assert [(m.name, m.value, m.unit) for m in found] == [("room", 21.5, "°C"), ("risk", 0.5, "")]


QUANTISED = st.builds(
    lambda scale, zero, dtype: TensorSpec("t", (1,), np.dtype(dtype), (scale,), (zero,)),
    st.floats(2**-13, 100, width=32),
    st.integers(-128, 255),
    st.sampled_from(["uint8", "int8", "int16"]),
)


@given(QUANTISED, st.floats(-1000, 1000, width=32, allow_subnormal=False))
def test_the_least_stored_value_divides_the_stored_values_as_the_threshold_divides_the_real_ones(
    spec: TensorSpec, threshold: float
) -> None:
    limits = np.iinfo(spec.dtype)
    stored = np.arange(limits.min, limits.max + 1)
    assert np.array_equal(stored >= spec.least(threshold), spec.real(stored) >= np.float32(threshold))


@given(QUANTISED)
def test_thresholds_of_stored_integers_are_integers_and_below_all_is_the_least_of_them(spec: TensorSpec) -> None:
    assert spec.least(-math.inf) == np.iinfo(spec.dtype).min
    assert all(type(spec.least(real)) is int for real in (-math.inf, -0.5, 0.0, 0.5))


@given(QUANTISED)
def test_what_is_stored_comes_back_as_it_was(spec: TensorSpec) -> None:
    limits = np.iinfo(spec.dtype)
    stored = np.arange(limits.min, limits.max + 1).astype(spec.dtype)
    assert np.array_equal(spec.stored(spec.real(stored).astype(np.float64)), stored)


def test_what_is_stored_is_clipped_to_what_the_type_holds() -> None:
    spec = TensorSpec("t", (1,), np.dtype(np.int8), (0.5,), (3,))
    assert spec.stored(np.array([1000.0, -1000.0, 0.0])).tolist() == [127, -128, 3]
    assert TensorSpec("t", (1,), np.dtype(np.uint8)).stored(np.array([2.6])).tolist() == [3]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_detections_without_keypoints_have_none_each(count: int) -> None:
    assert [d.keypoints for d in boxes(count)] == [()] * count
    assert len(boxes(count)) == count


@pytest.mark.parametrize(
    "change",
    [
        {"boxes": np.zeros((2, 4))},
        {"boxes": np.zeros((1, 5))},
        {"scores": np.zeros(2)},
        {"class_ids": np.zeros(0, int)},
        {"labels": ("a", "b")},
        {"keypoints": np.zeros((1, 2, 2)), "keypoint_names": ("nose",)},
        {"keypoints": np.zeros((1, 1, 3)), "keypoint_names": ("nose",)},
        {"keypoint_scores": np.zeros((1, 2)), "keypoint_names": ("nose",)},
        {"corners": np.zeros((1, 4))},
        {"masks": ()},
    ],
)
def test_detections_that_do_not_fit_together_are_refused(change: dict[str, object]) -> None:
    parts = {"boxes": np.zeros((1, 4)), "scores": np.zeros(1), "class_ids": np.zeros(1, int), "labels": ("a",)}
    with pytest.raises(ValueError, match="expected"):
        Detections(**(parts | change))


def test_classes_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="scores has 1 rows, expected 2"):
        Classes(np.array([1, 2]), np.zeros(1), ("a", "b"))


def test_a_frame_knows_its_width_before_its_height() -> None:
    assert Frame("s", 0, np.zeros((3, 7, 3), np.uint8), 0.0, 0).size == (7, 3)


def test_a_model_without_a_version_is_called_by_its_name() -> None:
    assert str(ModelId("ssd", "1.2.0", "ab")) == "ssd@1.2.0"
    assert str(ModelId("ssd", "", "ab")) == "ssd"


@pytest.mark.parametrize(
    ("prediction", "count"), [(None, 0), (boxes(0), 0), (boxes(2), 2), (Tensors({"a": np.zeros(3)}), 1)]
)
def test_a_result_has_as_many_items_as_its_prediction(prediction: object, count: int) -> None:
    result = Result("s", 0, 0.0, 0, (1, 1), "detect", ModelId("m", "", ""), "cpu", prediction)
    assert len(result) == len(list(result)) == count
