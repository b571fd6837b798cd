import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode.decoder import ClassFilter
from edge_infer.decode.segment import SegmentDecoder, on_frame
from edge_infer.errors import ModelError
from edge_infer.prepare.image import ImageOptions, Resize, crop, fit
from edge_infer.types import Array, Geometry, Mask, TensorSpec

SAME = Geometry((4, 2), (4, 2))
LABELS = ("background", "cat", "dog")


def spec(dtype: type, scale: tuple[float, ...] = (), zero_point: int = 0) -> TensorSpec:
    return TensorSpec("map", (), np.dtype(dtype), scale, (zero_point,) if scale else ())


def decode(of: TensorSpec, stored: Array, geometry: Geometry = SAME, **options: object) -> Mask:
    labels = options.pop("labels", ())
    decoder = SegmentDecoder(of, stored.shape, labels, **options)  # type: ignore[arg-type]
    return decoder([decoder.reduce[0](stored)], geometry)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.int8])
@pytest.mark.parametrize("shape", [(1, 2, 4), (1, 2, 4, 1)])
def test_class_ids_are_taken_as_they_are(dtype: type, shape: tuple[int, ...]) -> None:
    ids = np.array([[0, 1, 2, 2], [2, 1, 0, 0]], dtype)
    found = decode(spec(dtype), ids.reshape(shape), labels=LABELS)
    assert found.class_map.dtype == np.uint8
    assert found.class_map.tolist() == ids.tolist()
    assert [(region.label, region.pixels) for region in found] == [("background", 3), ("dog", 3), ("cat", 2)]


def test_class_ids_beyond_a_byte_need_two() -> None:
    ids = np.array([[[0, 255, 256, 1000]]], np.int64)
    found = decode(spec(np.int64), ids, Geometry((4, 1), (4, 1)))
    assert found.class_map.dtype == np.uint16
    assert found.class_map.tolist() == [[0, 255, 256, 1000]]


def test_a_negative_class_is_none() -> None:
    assert decode(spec(np.int32), np.int32([[[-1, 3]]]), Geometry((2, 1), (2, 1))).class_map.tolist() == [[0, 3]]


def test_what_is_reduced_is_a_copy() -> None:
    stored = np.ones((1, 2, 4), np.uint8)
    reduced = SegmentDecoder(spec(np.uint8), stored.shape, ()).class_ids(stored)
    stored[:] = 9
    assert reduced.max() == 1


@given(
    st.integers(2, 6).flatmap(
        lambda classes: st.one_of(
            st.lists(st.integers(-128, 127), min_size=8 * classes, max_size=8 * classes).map(np.int8),
            st.lists(st.integers(0, 255), min_size=8 * classes, max_size=8 * classes).map(np.uint8),
            st.lists(st.floats(-9, 9, width=32), min_size=8 * classes, max_size=8 * classes).map(np.float32),
        )
    )
)
def test_each_pixel_has_the_class_of_its_greatest_logit_the_lower_on_a_tie(logits: Array) -> None:
    stored = logits.reshape(1, 2, 4, -1)
    expected = [[max(range(len(p)), key=lambda c: (p[c], -c)) for p in row] for row in stored[0].tolist()]
    of = spec(logits.dtype.type, (0.1,) if logits.dtype.kind in "iu" else (), 3)
    assert decode(of, stored).class_map.tolist() == expected
    first = np.ascontiguousarray(stored.transpose(0, 3, 1, 2))
    assert decode(of, first, channels_first=True).class_map.tolist() == expected


def test_what_is_no_number_is_no_class() -> None:
    nan = np.float32(np.nan)
    stored = np.float32([[[[0, 1, nan], [nan, nan, nan], [0, 2, 1], [9, 1, 1]]]])
    assert decode(spec(np.float32), stored, Geometry((4, 1), (4, 1))).class_map.tolist() == [[0, 0, 1, 0]]
    two = np.float32([[[[0, nan], [nan, 1], [0, 2], [9, 1]]]])
    assert decode(spec(np.float32), two, Geometry((4, 1), (4, 1))).class_map.tolist() == [[0, 0, 1, 0]]
    one = np.float32([[[[nan], [0.5], [0.49], [np.inf]]]])
    assert decode(spec(np.float32), one, Geometry((4, 1), (4, 1))).class_map.tolist() == [[0, 1, 0, 1]]


def test_more_classes_than_a_byte_holds_need_two() -> None:
    stored = np.zeros((1, 1, 2, 300), np.float32)
    stored[0, 0, 1, 299] = 1
    found = decode(spec(np.float32), stored, Geometry((2, 1), (2, 1)))
    assert (found.class_map.dtype, found.class_map.tolist()) == (np.uint16, [[0, 299]])


@pytest.mark.parametrize(
    ("of", "values", "activation", "min_score"),
    [
        (spec(np.float32), [0.0, 0.49, 0.5, 1.0], "none", 0.5),
        (spec(np.uint8, (1 / 256,)), [0, 127, 128, 255], "none", 0.5),
        (spec(np.int8, (1 / 256,), -128), [-128, -65, -64, 127], "none", 0.25),
        (spec(np.float32), [-9.0, -0.01, 0.0, 9.0], "sigmoid", 0.5),
        (spec(np.int8, (0.1,), 10), [-128, 9, 10, 127], "sigmoid", 0.5),
        (spec(np.float32), [-9.0, 1.38, 1.39, 9.0], "sigmoid", 0.8),
    ],
)
def test_one_score_for_each_pixel_is_the_foreground_from_the_threshold_on(
    of: TensorSpec, values: list[float], activation: str, min_score: float
) -> None:
    stored = np.array(values, of.dtype).reshape(1, 1, 4, 1)
    geometry = Geometry((4, 1), (4, 1))
    found = decode(of, stored, geometry, activation=activation, min_score=min_score, labels=("person",))
    assert found.class_map.tolist() == [[0, 0, 1, 1]]
    assert found.labels == ("background", "person")
    three = decode(of, stored.reshape(1, 1, 4), geometry, activation=activation, min_score=min_score)
    assert three.class_map.tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(("min_score", "foreground"), [(0.0, [1, 1]), (1.0, [0, 0])])
def test_thresholds_of_certainty_hold_for_logits(min_score: float, foreground: list[int]) -> None:
    found = decode(
        spec(np.float32), np.float32([[[-30, 30]]]), Geometry((2, 1), (2, 1)), activation="sigmoid", min_score=min_score
    )
    assert found.class_map.tolist() == [foreground]


def test_classes_that_may_not_be_reported_become_background() -> None:
    ids = np.int64([[[0, 1, 2, 1]]])
    geometry = Geometry((4, 1), (4, 1))
    only = decode(spec(np.int64), ids, geometry, labels=LABELS, classes=ClassFilter(LABELS, ("dog",)))
    assert only.class_map.tolist() == [[0, 0, 2, 0]]
    scores = np.eye(3, dtype=np.float32)[[0, 1, 2, 1]].reshape(1, 1, 4, 3)
    without = decode(spec(np.float32), scores, geometry, labels=LABELS, classes=ClassFilter(LABELS, deny=("cat",)))
    assert without.class_map.tolist() == [[0, 0, 2, 0]]


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(ModelError, match="3 labels for the 21 classes"):
        SegmentDecoder(spec(np.float32), (1, 9, 9, 21), LABELS)


@pytest.mark.parametrize("shape", [(1, 10), (2, 9, 9), (1, 0, 9), (1, 2, 3, 4, 5)])
def test_what_holds_no_pixels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"segmentation needs \[1, height, width\]"):
        SegmentDecoder(spec(np.float32), shape, ())


# ------------------------------------------------------------------------------------------------- on the frame


def pixel_by_pixel(class_map: Array, geometry: Geometry) -> list[list[int]]:
    """For the centre of each pixel of the frame the cell of the map that it lies in, once it is an input's pixel."""
    rows = []
    for y in range(geometry.frame_size[1]):
        row = []
        for x in range(geometry.frame_size[0]):
            cell = []
            for axis, at in ((1, y), (0, x)):
                within = at - geometry.origin[axis]
                size = geometry.crop[axis] if geometry.crop else geometry.frame_size[axis] - geometry.origin[axis]
                place = (within + 0.5) * geometry.scale[axis] + geometry.pad[axis]
                share = place * class_map.shape[1 - axis] / geometry.input_size[axis]
                cell.append(min(int(share), class_map.shape[1 - axis] - 1) if 0 <= within < size else -1)
            row.append(0 if -1 in cell else int(class_map[cell[0], cell[1]]))
        rows.append(row)
    return rows


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(("stretch", "letterbox", "letterbox-topleft")),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.booleans(),
)
def test_every_pixel_of_the_frame_has_the_class_of_its_place(
    frame: tuple[int, int], resize: Resize, cells: tuple[int, int], part: bool
) -> None:
    width, height = frame
    roi = (width // 3, height // 4, max(width // 3 + 1, width - 2), max(height // 4 + 1, height - 1)) if part else None
    picture, origin = crop(np.zeros((height, width, 3), np.uint8), roi)
    options = ImageOptions(resize=resize, roi=roi)
    geometry = fit(frame, (picture.shape[1], picture.shape[0]), origin, (16, 24), options)
    class_map = np.arange(1, cells[0] * cells[1] + 1, dtype=np.uint8).reshape(cells[1], cells[0])
    assert on_frame(class_map, geometry).tolist() == pixel_by_pixel(class_map, geometry)


def test_outside_of_the_region_of_interest_is_background() -> None:
    geometry = fit((6, 4), (2, 2), (3, 1), (4, 8), ImageOptions(resize="letterbox-topleft"))
    whole = on_frame(np.full((8, 4), 5, np.uint8), geometry)
    assert whole.tolist() == [[0] * 6, [0, 0, 0, 5, 5, 0], [0, 0, 0, 5, 5, 0], [0] * 6]
