"""FOMO against a plain reading of ei_fill_result_struct.h."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_infer.decode.decoder import ClassFilter
from edge_infer.decode.heatmap_fomo import FomoDecoder
from edge_infer.errors import ModelError
from edge_infer.types import Array, Detections, Geometry, TensorSpec

SAME = Geometry((96, 96), (96, 96))
LABELS = ("nut", "bolt")
INT8 = TensorSpec("heat", (1, 12, 12, 3), np.dtype(np.int8), (1 / 256,), (-128,))
FLOAT = TensorSpec("heat", (1, 12, 12, 3), np.dtype(np.float32))


def grid(cells: dict[tuple[int, int], float], class_id: int = 0) -> Array:
    """Float outputs with this score of a class at (x, y)."""
    heat = np.zeros((1, 12, 12, 3), np.float32)
    for (x, y), score in cells.items():
        heat[0, y, x, class_id + 1] = score
    return heat


def decode(heat: Array, **options: object) -> Detections:
    return FomoDecoder(FLOAT, LABELS, **options)([heat], SAME)  # type: ignore[arg-type]


def test_a_cell_is_a_box_of_eight_pixels_with_its_centroid() -> None:
    (one,) = decode(grid({(3, 5): 0.75}, class_id=1))
    assert (one.label, one.class_id, one.score) == ("bolt", 1, 0.75)
    assert one.box == (24, 40, 32, 48)
    assert one.keypoints == ((28, 44),)


def test_neighbours_of_a_class_are_one_thing_also_at_a_corner() -> None:
    (one,) = decode(grid({(3, 5): 0.6, (4, 5): 0.9, (5, 6): 0.7}))
    assert one.score == np.float32(0.9)
    assert one.box == (24, 40, 48, 56)


def test_a_box_grows_to_the_left_as_well() -> None:
    (one,) = decode(grid({(3, 5): 0.6, (2, 6): 0.9}))
    assert one.box == (16, 40, 32, 56)


def test_cells_with_a_gap_and_other_classes_are_apart() -> None:
    heat = grid({(3, 5): 0.6, (5, 5): 0.8})
    heat[0, 5, 4, 2] = 0.7
    found = decode(heat)
    assert found.labels == ("nut", "bolt", "nut")
    assert found.scores == pytest.approx([0.8, 0.7, 0.6])


def test_the_background_is_never_reported() -> None:
    heat = np.zeros((1, 12, 12, 3), np.float32)
    heat[..., 0] = 1
    assert len(decode(heat)) == 0


def sdk(scores: Array, threshold: float) -> list[list[float]]:
    """Boxes x0, y0, x1, y1, score of one class: what the SDK does, with boxes that grow on all sides."""

    def placed(boxes: list[list[float]], new: list[float]) -> None:
        for box in boxes:
            if not (box[2] < new[0] or box[3] < new[1] or box[0] > new[2] or box[1] > new[3]):
                box[0], box[1] = min(box[0], new[0]), min(box[1], new[1])
                box[2], box[3] = max(box[2], new[2]), max(box[3], new[3])
                box[4] = max(box[4], new[4])
                return
        boxes.append(new)

    cells: list[list[float]] = []
    for y in range(scores.shape[0]):
        for x in range(scores.shape[1]):
            if scores[y, x] >= threshold:
                placed(cells, [x, y, x + 1, y + 1, float(scores[y, x])])
    boxes: list[list[float]] = []
    for cell in cells:
        placed(boxes, cell)
    return boxes


@given(
    stored=hnp.arrays(np.int8, (1, 12, 12, 3), elements=st.integers(-128, 127), fill=st.just(-128)),
    min_score=st.floats(0.05, 1),
)
def test_things_are_those_that_the_sdk_finds_in_stored_values(stored: Array, min_score: float) -> None:
    found = FomoDecoder(INT8, LABELS, min_score=min_score)([stored], SAME)
    real = INT8.real(stored)[0]
    expected = [
        (class_id, *(8 * side for side in box[:4]), box[4])
        for class_id in (0, 1)
        for box in sdk(real[..., class_id + 1], float(np.float32(min_score)))
    ]
    rows = zip(found.class_ids.tolist(), found.boxes.tolist(), found.scores.tolist(), strict=True)
    assert sorted((class_id, *box, score) for class_id, box, score in rows) == sorted(expected)


def test_classes_and_their_number_can_be_limited() -> None:
    heat = grid({(3, 5): 0.6, (8, 5): 0.8})
    heat[0, 0, 0, 2] = 0.7
    assert {d.label for d in decode(heat, classes=ClassFilter(LABELS, allow=("bolt",)))} == {"bolt"}
    assert len(decode(heat, max_results=2)) == 2


def test_a_label_of_the_background_is_left_out_and_missing_ones_are_refused() -> None:
    heat = grid({(3, 5): 0.6})
    (one,) = FomoDecoder(FLOAT, ("background", *LABELS))([heat], SAME)
    assert one.label == "nut"
    with pytest.raises(ModelError, match="1 labels for the 2 classes"):
        FomoDecoder(FLOAT, ("nut",))


def test_nan_is_nothing() -> None:
    assert len(decode(np.full((1, 12, 12, 3), np.nan, np.float32), min_score=0.0)) == 0
