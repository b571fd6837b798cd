"""Raw SSD outputs against a reference of plain loops, written from the paper and MediaPipe's documentation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode.decoder import ClassFilter
from edge_infer.decode.ssd_raw import BoxCoder, Level, RawSsdDecoder
from edge_infer.types import Array, Detections, Geometry, TensorSpec

FLOAT = TensorSpec("", (), np.dtype(np.float32))
BYTES = TensorSpec("", (), np.dtype(np.uint8), (0.05,), (128,))
SIGNED = TensorSpec("", (), np.dtype(np.int8), (0.04,), (-3,))
SIZE = (100, 50)
INPUT = Geometry(SIZE, SIZE)
ANCHORS = np.float32([[0.5, 0.25, 0.4, 0.2], [0.5, 0.75, 0.4, 0.2], [0.52, 0.26, 0.4, 0.2], [0.2, 0.5, 0.2, 0.2]])
LABELS = ("cat", "dog")
BACKGROUND = [-1, 0, 1]


def decoder(specs: list[TensorSpec], columns: list[int] | None = None, **options: object) -> RawSsdDecoder:
    given = {"coder": BoxCoder(), "activation": "none", "min_score": 0.5} | options
    return RawSsdDecoder(specs, [Level(0, 1, ANCHORS)], columns or BACKGROUND, LABELS, **given)  # type: ignore[arg-type]


def decode(boxes: Array, scores: Array, *rest: object, **options: object) -> Detections:
    return decoder([FLOAT, FLOAT], *rest, **options)([boxes[None], scores[None]], INPUT)  # type: ignore[arg-type]


def overlap(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


def reference(
    raw: Array, scores: Array, coder: BoxCoder, least: float, iou: float, agnostic: bool
) -> list[tuple[list[float], float, int]]:
    """Boxes in pixels, score and class of what is left, best first; column 0 is the background's."""
    found = []
    for (ty, tx, th, tw), (ya, xa, ha, wa), row in zip(raw.tolist(), ANCHORS.tolist(), scores.tolist(), strict=True):
        best = max(range(1, len(row)), key=lambda column: (row[column], -column))
        if row[best] < least:
            continue
        y = ty / coder.scales[0] * ha + ya
        x = tx / coder.scales[1] * wa + xa
        h = math.exp(th / coder.scales[2]) * ha if coder.exponential else th / coder.scales[2] * ha
        w = math.exp(tw / coder.scales[3]) * wa if coder.exponential else tw / coder.scales[3] * wa
        box = [(x - w / 2) * SIZE[0], (y - h / 2) * SIZE[1], (x + w / 2) * SIZE[0], (y + h / 2) * SIZE[1]]
        if box[2] > box[0] and box[3] > box[1]:
            found.append((box, row[best], best - 1))
    kept: list[tuple[list[float], float, int]] = []
    for one in sorted(found, key=lambda entry: -entry[1]):
        if all(overlap(one[0], other[0]) <= iou or (one[2] != other[2] and not agnostic) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda entry: (-entry[1], entry[2]))


raws = st.lists(st.integers(-60, 60), min_size=16, max_size=16)
# Scores apart from each other and the threshold: float32 and float64 must rank them alike.
ranks = st.permutations(range(12))


@given(raws, ranks, st.booleans(), st.booleans())
def test_boxes_are_those_of_plain_loops(raw: list[int], rank: list[int], agnostic: bool, exponential: bool) -> None:
    coder = BoxCoder(exponential=exponential)
    boxes = np.float32(raw).reshape(4, 4) / 3
    scores = (np.float32(rank).reshape(4, 3) + 0.5) / 13
    found = decode(boxes, scores, coder=coder, min_score=0.4, iou=0.45, agnostic=agnostic)
    expected = reference(boxes, scores, coder, 0.4, 0.45, agnostic)
    assert found.class_ids.tolist() == [entry[2] for entry in expected]
    assert found.scores.tolist() == pytest.approx([entry[1] for entry in expected], abs=1e-6)
    clipped = [[*(min(max(v, 0), SIZE[i % 2]) for i, v in enumerate(entry[0]))] for entry in expected]
    np.testing.assert_allclose(found.boxes, np.reshape(clipped, (-1, 4)), atol=1e-3)


@given(
    st.lists(st.integers(0, 255), min_size=12, max_size=12),
    st.sampled_from(("none", "sigmoid", "softmax")),
    st.sampled_from((BYTES, SIGNED)),
    st.floats(0.0, 1.0),
)
def test_what_passes_is_the_same_in_stored_and_in_real_numbers(
    stored: list[int], activation: str, spec: TensorSpec, min_score: float
) -> None:
    scores = np.array(stored, np.uint8).view(spec.dtype).reshape(1, 4, 3)
    boxes = np.zeros((1, 4, 4), np.float32)
    options = {"activation": activation, "min_score": min_score, "iou": 1.0}
    quantised = decoder([FLOAT, spec], **options)([boxes, scores], INPUT)
    real = decoder([FLOAT, FLOAT], **options)([boxes, spec.real(scores)], INPUT)
    assert quantised.scores.tolist() == real.scores.tolist()
    assert quantised.class_ids.tolist() == real.class_ids.tolist()
    assert (quantised.scores >= np.float32(min_score)).all()


def one_hot(*columns: int) -> Array:
    return np.eye(3, dtype=np.float32)[list(columns)]


NOTHING = np.zeros((4, 4), np.float32)


def test_an_anchor_whose_background_is_likelier_still_reports_its_class_as_the_op_does() -> None:
    scores = np.float32([[0.9, 0.6, 0.1], [0.9, 0.1, 0.1], [0, 0, 0], [0, 0, 0]])
    found = decode(NOTHING, scores)
    assert found.labels == ("cat",)
    assert found.boxes[0].tolist() == pytest.approx([15, 15, 35, 35], abs=1e-4)


def test_overlapping_boxes_of_one_class_are_one_object_those_of_two_are_two() -> None:
    assert decode(NOTHING, one_hot(1, 0, 1, 0)).labels == ("cat",)
    assert decode(NOTHING, one_hot(1, 0, 2, 0)).labels == ("cat", "dog")
    assert decode(NOTHING, one_hot(1, 0, 2, 0), agnostic=True).labels == ("cat",)


def test_each_column_has_the_class_that_is_said() -> None:
    scores = one_hot(0, 1, 2, 2)
    assert decode(NOTHING, scores, [0, 1, -1], iou=1.0).class_ids.tolist() == [0, 1]


def test_classes_that_are_not_allowed_do_not_hide_others() -> None:
    scores = np.float32([[0, 0.9, 0.6], [0, 0.8, 0.2], [0, 0, 0], [0, 0, 0]])
    found = decode(NOTHING, scores, classes=ClassFilter(LABELS, ("dog",)))
    assert (found.labels, found.scores.tolist()) == (("dog",), [pytest.approx(0.6)])
    assert len(decode(NOTHING, scores, classes=ClassFilter(LABELS, deny=("dog", "cat")))) == 0


@pytest.mark.parametrize("activation", ["none", "sigmoid", "softmax"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_no_object(activation: str, value: float) -> None:
    scores, boxes = np.full((4, 3), np.nan, np.float32), np.full((4, 4), value, np.float32)
    assert len(decode(NOTHING, scores, activation=activation)) == 0
    assert len(decode(boxes, np.float32([[-9, 9, -9]] * 4), activation=activation, max_results=1)) <= 1
    if math.isnan(value):
        assert len(decode(boxes, np.float32([[-9, 9, -9]] * 4), activation=activation)) == 0


def test_a_huge_logarithm_is_a_box_as_large_as_the_frame() -> None:
    boxes = NOTHING.copy()
    boxes[3] = (0, 0, 1e9, 1e9)
    found = decode(boxes, one_hot(0, 0, 0, 1))
    assert found.boxes.tolist() == [[0, 0, *SIZE]]


def test_levels_are_put_together_whatever_their_quantisation() -> None:
    first, second = np.split(ANCHORS, 2)
    specs = [FLOAT, TensorSpec("", (), np.dtype(np.uint8), (0.01,), (0,)), FLOAT, BYTES]
    levels = [Level(0, 1, first), Level(2, 3, second)]
    decoder = RawSsdDecoder(
        specs, levels, [0, 1], LABELS, coder=BoxCoder((1, 1, 1, 1)), activation="none", min_score=0.5
    )
    stored = [NOTHING[:2], np.uint8([[60, 10], [0, 0]]), NOTHING[:2], np.uint8([[0, 0], [0, 142]])]
    found = decoder(stored, INPUT)
    assert found.labels == ("dog", "cat")
    assert found.scores.tolist() == pytest.approx([0.7, 0.6])
    assert found.boxes[0].tolist() == pytest.approx([40, 5, 60, 15], abs=1e-4)


def test_at_most_so_many_are_reported() -> None:
    assert len(decode(NOTHING, one_hot(1, 1, 0, 1), max_results=2)) == 2
    assert len(decode(NOTHING, one_hot(1, 1, 0, 1))) == 3
