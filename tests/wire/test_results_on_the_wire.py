"""Every kind of result, encoded and decoded."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_infer.types import (
    Classes,
    Detections,
    Embedding,
    Keypoints,
    Mask,
    Measurements,
    ModelId,
    Prediction,
    Result,
    Tensors,
)
from edge_infer.wire.payloads import Envelope
from edge_infer.wire.result_payloads import WireClass, WireResult
from edge_infer.wire.results import counts, to_wire

BASE = Result(
    source="door",
    number=7,
    captured_at=1_700_000_000.25,
    captured_ns=123_456_789,
    size=(640, 480),
    task="detect",
    model=ModelId("faces", "1.2", "ab" * 32),
    device="cpu",
    prediction=None,
    timings_ms={"infer": 12.345678},
)
NO_DETECTIONS = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), ())
NO_CLASSES = Classes(np.zeros(0, np.int64), np.zeros(0, np.float32), ())
TWO_FACES = Detections(
    boxes=np.array([[1.004, 2, 30.5, 40], [5, 6, 7, 8]], np.float32),
    scores=np.array([0.91234567, 0.5], np.float32),
    class_ids=np.array([0, 3]),
    labels=("face", "cat"),
    keypoints=np.array([[[1, 2], [3, 4]], [[5, 6], [7.126, 8]]], np.float32),
    keypoint_names=("left eye", "right eye"),
)
PREDICTIONS = {
    "detections": TWO_FACES,
    "classes": Classes(np.array([4, 2]), np.array([0.75, 0.25], np.float32), ("dog", "cat")),
    "mask": Mask(np.array([[0, 2, 2], [2, 0, 2]], np.uint8), ("background", "", "bird")),
    "keypoints": Keypoints(np.array([[1.006, 2]], np.float32), np.array([0.5], np.float32), ("nose",)),
    "embedding": Embedding(np.array([0.6, 0.8], np.float32)),
    "measurements": Measurements(np.array([21.5], np.float32), ("room",), ("°C",)),
    "tensors": Tensors({"out": np.array([[1.5, -2.0]], np.float32), "count": np.array(3.0, np.float32)}),
}


def travel(result: Result) -> WireResult:
    return msgspec.json.decode(msgspec.json.encode(to_wire(result)), type=WireResult)


@pytest.mark.parametrize("key", PREDICTIONS)
def test_a_prediction_arrives_as_it_was_sent_under_the_key_of_its_task(key: str) -> None:
    result = replace(BASE, prediction=PREDICTIONS[key])
    arrived = travel(result)
    assert arrived == to_wire(result)
    assert [name for name in PREDICTIONS if getattr(arrived, name) is not None] == [key]


def test_a_mask_says_how_much_of_the_frame_each_class_covers() -> None:
    mask = travel(replace(BASE, prediction=PREDICTIONS["mask"])).mask
    assert mask
    assert [(r.class_id, r.label, r.pixels) for r in mask.classes] == [(2, "bird", 4), (0, "background", 2)]
    assert mask.png is None


def test_what_an_embedding_resembles_goes_with_it() -> None:
    nearest = Classes(np.array([1]), np.array([0.9], np.float32), ("anna",))
    arrived = travel(replace(BASE, prediction=Embedding(np.array([1, 0], np.float32), nearest)))
    assert arrived.embedding == (1.0, 0.0)
    assert [c.label for c in arrived.classes or ()] == ["anna"]


def test_a_keypoint_has_its_score_and_its_depth() -> None:
    points, scores = np.array([[1, 2], [3, 4]], np.float32), np.array([0.25, 1], np.float32)
    prediction = Keypoints(points, scores, ("nose", "eye"), 0.9, np.array([-1.504, 0], np.float32))
    nose, eye = travel(replace(BASE, prediction=prediction)).keypoints or ()
    assert (nose.name, nose.x, nose.y, nose.score, nose.z) == ("nose", 1, 2, 0.25, -1.5)
    assert (eye.score, eye.z) == (1.0, 0.0)


def test_classes_of_several_heads_say_which() -> None:
    prediction = Classes(np.array([1, 0]), np.array([0.5, 0.75], np.float32), ("cat", "outdoor"), ("animal", "place"))
    arrived = travel(replace(BASE, prediction=prediction)).classes or ()
    assert [(c.head, c.label) for c in arrived] == [("animal", "cat"), ("place", "outdoor")]


def test_the_outlines_of_a_mask_go_around_its_pixels() -> None:
    mask = np.zeros((20, 30), bool)
    mask[2:8, 3:9] = mask[10:20, 20:30] = True
    prediction = Detections(
        np.array([[100.5, 50.2, 129.7, 69.9]], np.float32),
        np.array([0.5], np.float32),
        np.array([0]),
        ("cat",),
        corners=np.array([[[1, 2], [3, 4], [5, 6], [7, 8]]], np.float32),
        masks=(mask,),
    )
    (cat,) = travel(replace(BASE, prediction=prediction)).detections or ()
    assert cat.pixels == mask.sum()
    spans = sorted((min(line), max(line)) for line in cat.outlines)
    assert spans == [((103.0, 52.0), (108.0, 57.0)), ((120.0, 60.0), (129.0, 69.0))]
    assert cat.corners == ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (7.0, 8.0))


def test_numbers_that_json_has_not_are_null() -> None:
    prediction = Tensors({"out": np.array([[np.nan, 1], [-np.inf, 2]], np.float32)})
    assert travel(replace(BASE, prediction=prediction)).tensors == {"out": [[None, 1.0], [None, 2.0]]}


def test_all_of_a_detection_is_there() -> None:
    face, cat = travel(replace(BASE, prediction=TWO_FACES)).detections or ()
    assert (face.label, face.class_id, face.score, face.box) == ("face", 0, 0.9123, (1.0, 2.0, 30.5, 40.0))
    assert [(p.name, p.x, p.y) for p in cat.keypoints] == [("left eye", 5.0, 6.0), ("right eye", 7.13, 8.0)]


def test_classes_arrive_best_first() -> None:
    assert travel(replace(BASE, prediction=PREDICTIONS["classes"])).classes == (
        WireClass(label="dog", class_id=4, score=0.75),
        WireClass(label="cat", class_id=2, score=0.25),
    )


def test_what_is_known_of_the_frame_arrives() -> None:
    arrived = travel(replace(BASE, dropped={"overrun": 2}, status="degraded", error="no accelerator"))
    assert (arrived.time, arrived.mono_ns, arrived.frame) == (1_700_000_000.25, 123_456_789, 7)
    assert (arrived.width, arrived.height, arrived.task, arrived.device) == (640, 480, "detect", "cpu")
    assert (arrived.model, arrived.timings_ms, arrived.dropped) == ("faces@1.2", {"infer": 12.346}, {"overrun": 2})
    assert (arrived.status, arrived.error) == ("degraded", "no accelerator")


@pytest.mark.parametrize(("key", "nothing"), [("detections", NO_DETECTIONS), ("classes", NO_CLASSES)])
def test_nothing_seen_is_an_empty_list_and_no_answer_is_none(key: str, nothing: Prediction) -> None:
    seen = msgspec.json.decode(msgspec.json.encode(to_wire(replace(BASE, prediction=nothing))))
    unanswered = msgspec.json.decode(msgspec.json.encode(to_wire(replace(BASE, status="error", error="it broke"))))
    assert seen[key] == []
    assert not {"detections", "classes", "tensors"} & set(unanswered)
    assert (unanswered["status"], unanswered["error"]) == ("error", "it broke")


@given(
    arrays.arrays(np.float32, st.integers(0, 5), elements=st.floats(0, 1, width=32)),
    st.lists(st.text(), min_size=5, max_size=5),
)
def test_any_labels_and_scores_survive_the_way(scores: np.ndarray, words: list[str]) -> None:  # type: ignore[type-arg]
    words = [word.encode(errors="replace").decode() for word in words]
    labels = tuple(words[: len(scores)])
    arrived = travel(replace(BASE, prediction=Classes(np.arange(len(scores)), scores, labels))).classes or ()
    assert tuple(c.label for c in arrived) == labels
    assert np.allclose([c.score for c in arrived], scores, atol=5e-5)


def test_counts_are_objects_by_label_or_the_best_class() -> None:
    faces = replace_labels(TWO_FACES, ("face", "face"))
    assert counts(TWO_FACES) == {"face": 1, "cat": 1}
    assert counts(faces) == {"face": 2}
    assert counts(PREDICTIONS["classes"]) == {"dog": 1}
    assert counts(NO_DETECTIONS) == counts(NO_CLASSES) == counts(PREDICTIONS["tensors"]) == counts(None) == {}


def test_an_envelope_without_results_is_refused() -> None:
    empty = Envelope(device="d", epoch=1, boot="b", first_seq=1, clock="synced", results=[])
    with pytest.raises(msgspec.ValidationError, match="results"):
        msgspec.json.decode(msgspec.json.encode(empty), type=Envelope[WireResult])


def test_a_reader_ignores_keys_that_came_later() -> None:
    payload = msgspec.json.decode(msgspec.json.encode(to_wire(BASE))) | {"mood": "good"}
    assert msgspec.convert(payload, WireResult) == to_wire(BASE)


def replace_labels(detections: Detections, labels: tuple[str, ...]) -> Detections:
    return Detections(detections.boxes, detections.scores, detections.class_ids, labels)
