import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode.centernet import CenterNetDecoder, Heads
from edge_infer.decode.decoder import ClassFilter
from edge_infer.types import Array, Detections, Geometry, TensorSpec

GRID, SIZE = (24, 32), (128, 96)  # rows, columns; width, height: four pixels a cell
SAME = Geometry(SIZE, SIZE)
HEADS = Heads(0, 1, 2)
LABELS = ("car", "cat", "cow")


def specs() -> list[TensorSpec]:
    return [TensorSpec(name, (1, *GRID, c), np.dtype(np.float32)) for name, c in (("hm", 3), ("wh", 2), ("reg", 2))]


def encoded(objects: list[tuple[int, float, tuple[float, float, float, float]]]) -> list[Array]:
    """Outputs that say (class, score, box in pixels), as the paper trains them."""
    heat, size, offset = (np.zeros((1, *GRID, c), np.float32) for c in (3, 2, 2))
    for class_id, score, (x0, y0, x1, y1) in objects:
        cx, cy = (x0 + x1) / 8, (y0 + y1) / 8
        row, column = int(cy), int(cx)
        heat[0, row, column, class_id] = score
        size[0, row, column] = ((x1 - x0) / 4, (y1 - y0) / 4)
        offset[0, row, column] = (cx - column, cy - row)
    return [heat, size, offset]


def decode(outputs: list[Array], **options: object) -> Detections:
    return CenterNetDecoder(specs(), HEADS, LABELS, logits=False, **options)(outputs, SAME)  # type: ignore[arg-type]


@given(
    x=st.floats(0, 80), y=st.floats(0, 60), width=st.floats(1, 40), height=st.floats(1, 30),
    score=st.sampled_from([0.3125, 0.5, 0.9375, 1.0]), class_id=st.integers(0, 2),
)  # fmt: skip
def test_an_encoded_object_is_decoded_to_itself(
    x: float, y: float, width: float, height: float, score: float, class_id: int
) -> None:
    box = (x, y, x + width, y + height)
    (one,) = decode(encoded([(class_id, score, box)]))
    assert one.box == pytest.approx(box, abs=1e-2)
    assert (one.label, one.score) == (LABELS[class_id], score)


def test_only_peaks_are_objects_and_the_best_come_first() -> None:
    outputs = encoded([(0, 0.6, (10, 10, 30, 30)), (1, 0.9, (60, 40, 100, 80))])
    outputs[0][0, 5, 6, 0] = 0.5  # beside the first
    found = decode(outputs)
    assert found.labels == ("cat", "car")
    assert decode(outputs, max_results=1).labels == ("cat",)
    assert decode(outputs, classes=ClassFilter(LABELS, deny=("cat",))).labels == ("car",)


def test_logits_are_scores_behind_a_sigmoid() -> None:
    outputs = encoded([(0, 2.0, (10, 10, 30, 30))])
    outputs[0][outputs[0] == 0] = -9
    (one,) = CenterNetDecoder(specs(), HEADS, LABELS, logits=True)(outputs, SAME)
    assert one.score == pytest.approx(1 / (1 + np.exp(-2)))


def test_tensorflow_writes_y_first() -> None:
    outputs = encoded([(0, 0.9, (10, 20, 40, 30))])
    outputs[1:] = [pair[..., ::-1] for pair in outputs[1:]]
    (one,) = CenterNetDecoder(specs(), Heads(0, 1, 2, y_first=True), LABELS, logits=False)(outputs, SAME)
    assert one.box == pytest.approx((10, 20, 40, 30), abs=1e-3)


def test_boxes_are_mapped_and_clipped_and_nonsense_is_left_out() -> None:
    outputs = encoded([(0, 0.9, (-20, 10, 40, 30)), (1, 0.8, (60, 40, 100, 80)), (2, 0.7, (20, 60, 30, 70))])
    outputs[1][0, 15, 20] = np.nan
    outputs[2][0, 16, 6] = np.inf
    outputs[0][0, 0, 0] = np.nan
    halved = Geometry((64, 48), SIZE, scale=(2, 2))
    found = CenterNetDecoder(specs(), HEADS, LABELS, logits=False)(outputs, halved)
    assert found.labels == ("car",)
    assert found.boxes[0] == pytest.approx([0, 5, 20, 15], abs=1e-3)
