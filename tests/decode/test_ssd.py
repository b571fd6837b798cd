from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode.decoder import ClassFilter
from edge_infer.decode.ssd import BoxLayout, OutputOrder, SsdDecoder, find_order, is_post_processed
from edge_infer.errors import ModelError
from edge_infer.types import Array, Detections, Geometry, TensorSpec

FLOAT = np.dtype(np.float32)
SPECS = [TensorSpec(name, (), FLOAT) for name in ("boxes", "classes", "scores", "count")]
ORDER = OutputOrder(boxes=0, classes=1, scores=2, count=3)
FRAME = Geometry((200, 100), (100, 100), scale=(0.5, 1.0))  # stretched: half as wide
LABELS = ("person", "cat", "dog")


def outputs(rows: list[tuple[float, int, tuple[float, float, float, float]]], room: int = 0) -> list[Array]:
    """Raw outputs of (score, class id, y0 x0 y1 x1) rows, followed by `room` rows that do not count."""
    junk = [(0.99, 0, (0.0, 0.0, 1.0, 1.0))] * room
    scores, class_ids, boxes = (
        (list(column) for column in zip(*(rows + junk), strict=True)) if rows + junk else ([],) * 3
    )
    return [
        np.array(boxes, np.float32).reshape(1, -1, 4),
        np.array([class_ids], np.float32),
        np.array([scores], np.float32),
        np.array([len(rows)], np.float32),
    ]


def decode(raw: list[Array], **options: object) -> Detections:
    return SsdDecoder(SPECS, ORDER, LABELS, **options)(raw, FRAME)


def test_boxes_are_in_pixels_of_the_frame() -> None:
    found = decode(outputs([(0.9, 1, (0.1, 0.2, 0.5, 0.6))]))
    assert found.boxes[0].tolist() == pytest.approx([40, 10, 120, 50])
    assert found.labels == ("cat",)
    assert found.class_ids.tolist() == [1]


def test_boxes_are_clipped_to_the_frame() -> None:
    found = decode(outputs([(0.9, 1, (-0.5, -0.5, 1.5, 1.5))]))
    assert found.boxes[0].tolist() == [0, 0, 200, 100]


def test_nothing_found_is_an_empty_prediction() -> None:
    found = decode(outputs([(0.4, 1, (0, 0, 1, 1))]))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert len(decode(outputs([]))) == 0


def test_rows_beyond_the_count_are_not_looked_at() -> None:
    assert decode(outputs([(0.9, 2, (0, 0, 1, 1))], room=3)).labels == ("dog",)
    assert len(decode(outputs([], room=3))) == 0


def test_rows_beyond_the_count_are_not_meant() -> None:
    raw = outputs([(0.9, 2, (0, 0, 1, 1))], room=3)
    for place in range(3):
        raw[place].reshape(-1)[-3:] = np.nan
    meant = SsdDecoder(SPECS, ORDER, LABELS).meant(raw)
    assert [part.size for part in meant] == [4, 1, 1, 1]
    assert not any(np.isnan(part).any() for part in meant)
    raw[3][:] = np.nan
    assert np.isnan(SsdDecoder(SPECS, ORDER, LABELS).meant(raw)[3]).all()


@pytest.mark.parametrize(("count", "found"), [(-1, 0), (99, 1)])
def test_a_count_that_cannot_be_is_what_there_is(count: float, found: int) -> None:
    raw = outputs([(0.9, 2, (0, 0, 1, 1))])
    raw[3][:] = count
    assert len(decode(raw)) == found


def test_a_score_that_equals_the_threshold_passes() -> None:
    assert len(decode(outputs([(0.5, 0, (0, 0, 1, 1)), (0.4999, 0, (0, 0, 1, 1))]), min_score=0.5)) == 1


def test_the_best_come_first_and_the_lower_class_on_a_tie() -> None:
    rows = [(score, class_id, (0, 0, 1, 1)) for score, class_id in ((0.5, 2), (0.9, 1), (0.5, 0), (0.9, 2))]
    found = decode(outputs(rows))
    assert found.scores.tolist() == pytest.approx([0.9, 0.9, 0.5, 0.5])
    assert found.class_ids.tolist() == [1, 2, 0, 2]
    assert decode(outputs(rows), max_results=3).class_ids.tolist() == [1, 2, 0]


def test_classes_that_are_not_allowed_are_left_out_before_the_limit() -> None:
    rows = [(0.9, 0, (0, 0, 1, 1)), (0.8, 1, (0, 0, 1, 1)), (0.7, 2, (0, 0, 1, 1))]
    found = decode(outputs(rows), max_results=1, classes=ClassFilter(LABELS, deny=("person",)))
    assert found.labels == ("cat",)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(0, 90)), max_size=10), st.floats(0, 1, width=32))
def test_all_that_pass_the_threshold_are_reported_in_order(rows: list[tuple[float, int]], min_score: float) -> None:
    found = decode(outputs([(score, class_id, (0, 0, 1, 1)) for score, class_id in rows]), min_score=min_score)
    expected = sorted(((s, c) for s, c in rows if s >= min_score), key=lambda row: (-row[0], row[1]))
    assert list(zip(found.scores.tolist(), found.class_ids.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("layout", "raw"),
    [
        (BoxLayout(), (0.1, 0.2, 0.5, 0.6)),
        (BoxLayout((0, 1, 2, 3)), (0.2, 0.1, 0.6, 0.5)),
        (BoxLayout((0, 1, 2, 3), "upper_left"), (0.2, 0.1, 0.4, 0.4)),
        (BoxLayout((1, 0, 3, 2), "upper_left"), (0.1, 0.2, 0.4, 0.4)),
        (BoxLayout((0, 1, 2, 3), "center"), (0.4, 0.3, 0.4, 0.4)),
        (BoxLayout((3, 2, 1, 0), "center"), (0.4, 0.4, 0.3, 0.4)),
        (BoxLayout((0, 1, 2, 3), ratio=False), (20, 10, 60, 50)),
        (BoxLayout((0, 1, 2, 3), "center", ratio=False), (40, 30, 40, 40)),
    ],
)
def test_every_box_layout_gives_the_same_box(layout: BoxLayout, raw: tuple[float, float, float, float]) -> None:
    found = decode(outputs([(0.9, 1, raw)]), layout=layout)
    assert found.boxes[0].tolist() == pytest.approx([40, 10, 120, 50], abs=1e-4)


def test_quantised_outputs_are_made_real() -> None:
    specs = list(SPECS)
    specs[2] = TensorSpec("scores", (), np.dtype(np.uint8), (1 / 256,), (0,))
    raw = outputs([(0.5, 1, (0, 0, 1, 1))])
    raw[2] = np.uint8([[192]])
    assert SsdDecoder(specs, ORDER, LABELS)(raw, FRAME).scores.tolist() == [0.75]


SHAPES = {"boxes": (1, 10, 4), "classes": (1, 10), "scores": (1, 10), "count": (1,)}
OP = ("boxes", "classes", "scores", "count")
TENSORFLOW_2 = ("scores", "boxes", "count", "classes")
SIGNATURE = ("count", "scores", "classes", "boxes")


def order_of(roles: tuple[str, ...]) -> OutputOrder:
    return OutputOrder(**{role: position for position, role in enumerate(roles)})


@pytest.mark.parametrize(
    "names",
    [
        ("location", "category", "score", "number of detections"),
        ("score", "location", "number of detections", "category"),
        ("detection_boxes", "detection_classes", "detection_scores", "num_detections"),
    ],
)
def test_names_in_the_metadata_tell_the_order(names: tuple[str, ...]) -> None:
    words = {"box": "boxes", "loca": "boxes", "cat": "classes", "class": "classes", "scor": "scores", "num": "count"}
    roles = tuple(next(role for word, role in words.items() if word in name) for name in names)
    order, why = find_order(names, None, [SHAPES[role] for role in roles], "m.tflite")
    assert order == order_of(roles)
    assert "metadata" in why


def test_names_that_the_shapes_contradict_are_not_believed() -> None:
    names = ("score", "location", "number of detections", "category")
    order, why = find_order(names, None, [SHAPES[role] for role in OP], "m.tflite")
    assert order == order_of(OP)
    assert why == "the shapes; the names in the TFLite metadata contradict them"
    signature = {f"output_{i}": OP.index(role) for i, role in enumerate(SIGNATURE)}
    assert find_order(names, signature, [SHAPES[role] for role in OP], "m.tflite")[1].startswith("the signature; ")


def test_the_signature_tells_the_order_where_names_do_not() -> None:
    # The signature's outputs in an arbitrary order of tensors.
    roles = ("classes", "count", "boxes", "scores")
    signature = {f"output_{i}": roles.index(role) for i, role in enumerate(SIGNATURE)}
    order, why = find_order(["a", "b", "c", "d"], signature, [SHAPES[role] for role in roles], "m.tflite")
    assert order == order_of(roles)
    assert "signature" in why


def test_a_signature_that_contradicts_the_shapes_is_not_believed() -> None:
    signature = {f"output_{i}": i for i in range(4)}
    order, why = find_order(None, signature, [SHAPES[role] for role in OP], "m.tflite")
    assert order == order_of(OP)
    assert "shapes" in why


@pytest.mark.parametrize("roles", [OP, TENSORFLOW_2, SIGNATURE])
@pytest.mark.parametrize("room", [1, 10])
def test_shapes_tell_the_order_of_every_known_export(roles: tuple[str, ...], room: int) -> None:
    shapes = {"boxes": (1, room, 4), "classes": (1, room), "scores": (1, room), "count": (1,)}
    order, why = find_order(None, None, [shapes[role] for role in roles], "m.tflite")
    assert order == order_of(roles)
    assert "shapes" in why


def test_shapes_that_come_with_the_first_inference_mean_the_order_of_the_op() -> None:
    order, _ = find_order(None, None, [(), (), (), ()], "m.tflite")
    assert order == order_of(OP)


def test_shapes_that_fit_no_known_order_are_refused() -> None:
    with pytest.raises(ModelError, match=r"m\.tflite have shapes .*no known order"):
        find_order(None, None, [(1, 10), (1, 10, 4), (1, 10), (1,)], "m.tflite")


def test_a_model_with_another_number_of_outputs_is_refused() -> None:
    with pytest.raises(ModelError, match=r"m\.tflite has 2 outputs; a post-processed SSD has 4"):
        find_order(None, None, [(1, 10, 4), (1, 10)], "m.tflite")


def test_a_signature_may_have_the_names_themselves() -> None:
    names = {"boxes": "detection_boxes", "classes": "detection_classes", "scores": "detection_scores", "count": "num"}
    names["count"] = "num_detections"
    roles = ("scores", "count", "classes", "boxes")
    signature = {names[role]: place for place, role in enumerate(roles)}
    order, why = find_order(None, signature, [SHAPES[role] for role in roles], "m.tflite")
    assert (order, why) == (order_of(roles), "the signature")


@pytest.mark.parametrize(
    ("shapes", "post_processed"),
    [
        ([(1, 10, 4), (1, 10), (1, 10), (1,)], True),
        ([(1, 10), (1, 10, 4), (1, 1), (1, 10)], True),
        ([(1, 10, 4), (1, 10), (1, 10)], False),
        ([(1, 10, 4), (1, 10), (1, 9), (1,)], False),
        ([(1, 10, 4), (1, 10), (1, 10), (2,)], False),
        ([(1, 1, 4), (1, 1), (1, 1), (1,)], False),  # any four may be these
        ([(1, 10, 4), (1, 10, 4), (1, 10), (1,)], False),
        ([(), (), (), ()], False),
    ],
)
def test_a_detector_that_has_done_all_itself_is_known_by_its_shapes(shapes: list[Any], post_processed: bool) -> None:
    assert is_post_processed(shapes) == post_processed
