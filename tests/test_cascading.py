"""A second model that is asked about what the first one has found: real models, and some that are cut for it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from fake_tpu import owners
from scripted import Harness, ScriptedSource
from waiting import until

from edge_infer.analysing import Events
from edge_infer.bundle.manifest import Decode
from edge_infer.cascading import Asking, Cascade, cascade, crop, moved
from edge_infer.decode.decoder import ClassFilter
from edge_infer.errors import DelegateError, InputError, ModelError
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.pipeline_settings import CascadeSettings, ModelSettings, PipelineSettings
from edge_infer.registry import load_model, source_settings
from edge_infer.runtime.pool import close_all
from edge_infer.sources.images import read_image
from edge_infer.types import (
    Anomaly,
    Array,
    Classes,
    Detections,
    Embedding,
    Frame,
    Keypoints,
    Measurements,
    ModelId,
    Prediction,
    Result,
)
from edge_infer.wire.events import event_to_wire
from edge_infer.wire.results import to_wire

COCO = "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
CLASSIFIER = "mobilenet_v2_1.0_224_quant.tflite"


@pytest.fixture
def pets(inputs: Path) -> Array:
    return read_image(inputs / "cats_and_dogs.jpg")


@pytest.fixture
def both(models: Path, testdata: Path) -> Iterator[Callable[..., Model]]:
    opened: list[Model] = []

    def make(**options: object) -> Model:
        first = load(models / COCO, min_score=0.5)
        opened.append(first)
        second = load(models / CLASSIFIER, labels=testdata / "labels" / "imagenet_labels.txt", top_k=1)
        return cascade(first, second, **options)  # type: ignore[arg-type]

    yield make
    for model in opened:
        model.close()


def test_a_classifier_says_what_kind_of_pet_each_is(both: Callable[..., Model], pets: Array) -> None:
    result = both(labels=("cat", "dog"))(pets)
    assert result.status == "ok"
    said = [detection.detail for detection in result]
    assert len(said) >= 3
    assert all(isinstance(detail, Classes) and len(detail) == 1 for detail in said)
    kinds = {category.label for detail in said for category in detail or ()}
    assert any("cat" in kind for kind in kinds)  # of cats
    assert any("corgi" in kind for kind in kinds)
    assert result.timings_ms["cascade"] > 0.0


def test_the_detail_is_what_the_second_model_says_of_the_part_alone(both: Callable[..., Model], pets: Array) -> None:
    model = both(labels=("cat", "dog"), margin=0.1)
    assert model.second
    for detection in model(pets):
        part, _ = crop(pets, detection.box, 0.1)
        alone = model.second.model(np.ascontiguousarray(part))
        assert [(c.label, c.score) for c in detection.detail or ()] == [(c.label, c.score) for c in alone]


def test_labels_sizes_and_a_limit_say_which_objects_are_asked_about(both: Callable[..., Model], pets: Array) -> None:
    assert [d.detail is not None for d in both(labels=("dog",))(pets)] == [d.label == "dog" for d in both()(pets)]
    limited = [d.detail is not None for d in both(max_crops=1)(pets)]
    assert limited == [True] + [False] * (len(limited) - 1)
    assert not any(d.detail for d in both(min_size_px=5000)(pets))


def test_details_travel_with_their_objects(both: Callable[..., Model], pets: Array) -> None:
    wire = to_wire(both()(pets))
    assert wire.detections
    for one in wire.detections:
        assert one.detail
        assert one.detail.classes
        assert one.detail.classes[0].score > 0.0


def test_events_say_what_kind_of_pet_it_is(both: Callable[..., Model], pets: Array) -> None:
    model, happens = both(labels=("dog",)), Events(track=False)
    result = model(pets)
    best = next(one.detail for one in result if one.label == "dog")
    events = [*happens(result)[1], *happens(model(pets))[1], *happens.end()]
    dogs = [event for event in events if event.label == "dog"]
    assert [(event.phase, event.detail) for event in dogs] == [("start", best), ("end", best)]
    for dog in dogs:
        wire = event_to_wire(dog)
        assert wire.detail
        assert wire.detail.classes
        assert wire.detail.classes[0].label in next(iter(best)).label
    assert all(event.detail is None for event in events if event.label != "dog")


def test_closing_it_closes_both(both: Callable[..., Model], pets: Array) -> None:
    model = both()
    assert model.second
    second = model.second.model
    model.close()
    with pytest.raises(ModelError, match="was closed"):
        second(pets)


MISFITS = {
    "a classifier first": (CLASSIFIER, CLASSIFIER, {}, "begin with a detector"),
    "a mask second": (COCO, "deeplabv3_mnv2_dm05_pascal_quant.tflite", {}, "its task is segment; those that can"),
    "sound second": (COCO, "yamnet_audio_classifier_with_metadata.tflite", {}, "cannot be asked about objects"),
    "points that are kept": (COCO, "movenet_single_pose_lightning_ptq.tflite", {"every_s": 1.0}, "leave out every_s"),
    "no such label": (COCO, CLASSIFIER, {"labels": ("persn",)}, "has no class 'persn'"),
}


@pytest.mark.parametrize(("first", "second", "options", "message"), MISFITS.values(), ids=MISFITS)
def test_models_that_do_not_go_together_are_refused(
    first: str, second: str, options: dict[str, object], message: str, models: Path
) -> None:
    with load(models / first) as one, load(models / second) as other, pytest.raises(ModelError, match=message):
        cascade(one, other, **options)  # type: ignore[arg-type]


def test_points_of_a_body_lie_in_the_whole_picture(models: Path, inputs: Path) -> None:
    squat = read_image(inputs / "squat.bmp")
    wide = np.full((squat.shape[0] + 40, squat.shape[1] + 300, 3), 127, np.uint8)
    wide[40:, 300:] = squat
    with load(models / "movenet_single_pose_lightning_ptq.tflite") as pose:
        box = (300.0, 40.0, float(wide.shape[1]), float(wide.shape[0]))
        asked = Cascade(pose, ClassFilter(("person",)), margin_of_none())
        answer = asked(frame_of(wide), found([box]))
        detail = next(iter(answer)).detail
        alone = pose(np.ascontiguousarray(wide[40:, 300:])).prediction
    assert isinstance(detail, Keypoints)
    assert isinstance(alone, Keypoints)
    assert np.allclose(detail.points, alone.points + np.array([300, 40]))


def margin_of_none(**options: object) -> Asking:
    return Asking(**{"margin": 0.0, **options})  # type: ignore[arg-type]


def frame_of(picture: Array, at_s: float = 0.0) -> Frame:
    return Frame("test", 0, picture, 0.0, int(at_s * 1e9))


def found(boxes: list[tuple[float, float, float, float]], labels: tuple[str, ...] = ()) -> Result:
    labels = labels or ("person",) * len(boxes)
    ids = np.array([("person", "car").index(label) for label in labels], int)
    scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)
    prediction = Detections(np.array(boxes, np.float32).reshape(-1, 4), scores, ids, labels)
    return Result.of(
        frame_of(PICTURE), task="detect", model=ModelId("first", "", "00"), device="cpu", prediction=prediction
    )


PICTURE = np.zeros((100, 200, 3), np.uint8)


class Second:
    """Answers with the number of the question, or fails."""

    id = ModelId("second", "1", "00")
    limit_s = None

    def __init__(self) -> None:
        self.asked: list[Frame] = []
        self.failure: Exception | None = None
        self.status = "ok"

    def forget(self) -> None:
        pass

    def predict(self, frame: Frame) -> Result:
        self.asked.append(frame)
        if self.failure:
            raise self.failure
        said = Measurements(np.array([len(self.asked)], np.float32), ("nth",), ("",))
        return Result.of(
            frame,
            task="regress",
            model=self.id,
            device="cpu",
            prediction=said,
            status=self.status,
            error=None if self.status == "ok" else "its accelerator fell asleep",
        )


def asked_about(**options: object) -> tuple[Second, Cascade]:
    second = Second()
    asked = Cascade(second, ClassFilter(("person", "car")), margin_of_none(**options))  # type: ignore[arg-type]
    second.asked.clear()  # the trial
    return second, asked


def numbers(result: Result) -> list[float | None]:
    return [None if d.detail is None else next(iter(d.detail)).value for d in result]


A, B = (10.0, 10.0, 50.0, 90.0), (100.0, 10.0, 150.0, 90.0)


def shifted(box: tuple[float, float, float, float], by: float) -> tuple[float, float, float, float]:
    return box[0] + by, box[1], box[2] + by, box[3]


def test_each_frame_is_asked_about_anew() -> None:
    second, asked = asked_about()
    assert numbers(asked(frame_of(PICTURE, 0), found([A, B]))) == [1, 2]
    assert numbers(asked(frame_of(PICTURE, 1), found([A, B]))) == [3, 4]
    assert [frame.size for frame in second.asked] == [(40, 80), (50, 80)] * 2


def test_who_is_still_there_is_asked_about_now_and_then() -> None:
    _, asked = asked_about(every_s=2.0)
    assert numbers(asked(frame_of(PICTURE, 0.0), found([A, B]))) == [1, 2]
    assert numbers(asked(frame_of(PICTURE, 0.5), found([shifted(B, 5), shifted(A, -5)]))) == [2, 1]
    assert numbers(asked(frame_of(PICTURE, 1.0), found([shifted(B, 15)]))) == [2]
    assert numbers(asked(frame_of(PICTURE, 1.9), found([A, shifted(B, 25)]))) == [1, 2]  # one frame had missed it
    assert numbers(asked(frame_of(PICTURE, 2.1), found([A, shifted(B, 25)]))) == [3, 4]


@pytest.mark.parametrize("what", ["moved far", "another label", "time goes back", "forgotten"])
def test_another_object_is_asked_about_at_once(what: str) -> None:
    _, asked = asked_about(every_s=60.0)
    asked(frame_of(PICTURE, 10), found([A]))
    if what == "forgotten":
        asked.forget()
    at_s = 5 if what == "time goes back" else 11
    seen = found([shifted(A, 30) if what == "moved far" else A], ("car",) if what == "another label" else ())
    assert numbers(asked(frame_of(PICTURE, at_s), seen)) == [2]


def test_objects_take_turns_where_there_are_too_many() -> None:
    _, asked = asked_about(every_s=60.0, max_crops=1)
    assert numbers(asked(frame_of(PICTURE, 0), found([A, B]))) == [1, None]
    assert numbers(asked(frame_of(PICTURE, 1), found([A, B]))) == [1, 2]


FAILURES = [ModelError("the runtime failed"), DelegateError("the accelerator is gone"), InputError("not a picture")]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda error: type(error).__name__)
def test_where_the_second_model_fails_the_objects_stay(failure: Exception) -> None:
    second, asked = asked_about()
    second.failure = failure
    result = asked(frame_of(PICTURE), found([A, B]))
    assert numbers(result) == [None, None]
    assert (len(result), result.status) == (2, "degraded")
    assert result.error == asked.trouble == f"the second model, second@1: {failure}"
    second.failure = None
    assert asked(frame_of(PICTURE), found([A])).status == "ok"
    assert asked.trouble is None


def test_where_the_second_model_is_degraded_the_result_is_and_says_why() -> None:
    second, asked = asked_about()
    second.status = "degraded"
    result = asked(frame_of(PICTURE), replace(found([A]), status="degraded", error="the first has lost its own"))
    assert numbers(result) == [1]
    assert result.error == "the first has lost its own; the second model, second@1: its accelerator fell asleep"


def test_a_result_without_objects_or_answer_is_left_as_it_is() -> None:
    second, asked = asked_about()
    assert asked(frame_of(PICTURE), found([])).status == "ok"
    silent = replace(found([]), prediction=None, status="error")
    assert asked(frame_of(PICTURE), silent) is silent
    assert not second.asked


def test_a_first_model_without_boxes_is_refused_when_it_shows() -> None:
    _, asked = asked_about()
    with pytest.raises(ModelError, match="finds no boxes"):
        asked(frame_of(PICTURE), replace(found([]), prediction=Anomaly(0.0, 1.0)))


CROPS = {
    "as it is": ((10, 20, 30, 60), 0.0, (10, 20, 30, 60)),
    "with a margin": ((10, 20, 30, 60), 0.5, (0, 0, 40, 80)),
    "whole pixels": ((10.2, 20.7, 29.1, 59.5), 0.0, (10, 20, 30, 60)),
    "at the edge": ((180, 80, 200, 100), 0.25, (175, 75, 200, 100)),
    "outside": ((250, 150, 300, 180), 0.0, (199, 99, 200, 100)),
    "of no size": ((50, 50, 50, 50), 0.1, (50, 50, 51, 51)),
}


@pytest.mark.parametrize(("box", "margin", "expected"), CROPS.values(), ids=CROPS)
def test_a_part_is_cut_around_a_box(
    box: tuple[float, float, float, float], margin: float, expected: tuple[int, int, int, int]
) -> None:
    columns, rows = np.meshgrid(np.arange(200), np.arange(100))
    picture = np.stack([columns, rows, columns], axis=2)
    part, origin = crop(picture, box, margin)
    assert origin == expected[:2]
    assert part.shape[1::-1] == (expected[2] - expected[0], expected[3] - expected[1])
    assert tuple(part[0, 0, :2]) == origin


def test_what_has_a_place_is_moved_and_all_else_stays() -> None:
    points = np.array([[1.0, 2.0]], np.float32)
    ones = np.ones(1, np.float32)
    shift = (100, 50)
    keypoints = moved(Keypoints(points, ones, ("nose",), depths=ones), shift)
    assert isinstance(keypoints, Keypoints)
    assert keypoints.points.tolist() == [[101.0, 52.0]]
    assert keypoints.depths is ones
    plate = Detections(
        np.array([[1, 2, 3, 4]], np.float32),
        ones,
        np.zeros(1, int),
        ("plate",),
        keypoints=points[None],
        keypoint_names=("corner",),
        corners=np.zeros((1, 4, 2), np.float32),
    )
    inside = moved(plate, shift)
    assert isinstance(inside, Detections)
    assert inside.boxes.tolist() == [[101.0, 52.0, 103.0, 54.0]]
    assert inside.keypoints is not None
    assert inside.keypoints.tolist() == [[[101.0, 52.0]]]
    assert inside.corners is not None
    assert inside.corners[0, 0].tolist() == [100.0, 50.0]
    others: list[Prediction] = [Embedding(points[0]), Anomaly(1.0, 2.0), Measurements(ones, ("a",), ("",))]
    assert all(moved(other, shift) is other for other in others)


def test_objects_in_objects_travel() -> None:
    plate = Detections(np.array([[1, 2, 3, 4]], np.float32), np.ones(1, np.float32), np.zeros(1, int), ("plate",))
    cars = found([A], ("car",))
    assert isinstance(cars.prediction, Detections)
    (car,) = to_wire(replace(cars, prediction=replace(cars.prediction, details=(plate,)))).detections or ()
    assert car.detail
    assert car.detail.detections
    assert (car.detail.detections[0].label, car.detail.detections[0].box) == ("plate", (1.0, 2.0, 3.0, 4.0))


def test_a_second_model_whose_process_dies_costs_details_and_no_result(
    models: Path, pets: Array, no_process_is_left: None
) -> None:
    with load(models / COCO, min_score=0.5) as first:
        model = cascade(first, load(models / CLASSIFIER, device="cpu", isolated=True, top_k=1), max_crops=2)
        assert model(pets).status == "ok"
        for child in psutil.Process().children(recursive=True):
            if child.name().startswith("ei-accel"):
                child.kill()
        broken = model(pets)
        assert (broken.status, len(broken) > 0) == ("degraded", True)
        assert model.status == "degraded"
        assert model.fallback_reason == broken.error
        until(lambda: model(pets).status == "ok", what="an answer of the process that took its place")
        assert model.fallback_reason is None


def test_several_workers_each_have_a_second_model_of_their_own(models: Path, inputs: Path) -> None:
    settings = PipelineSettings(
        source=source_settings(inputs / "cats_and_dogs.jpg", "still"),
        model=ModelSettings(path=models / COCO, workers=2),
        decode=Decode(min_score=0.5),
        cascade=CascadeSettings(model=ModelSettings(path=models / CLASSIFIER), decode=Decode(top_k=1)),
    )
    pets = read_image(inputs / "cats_and_dogs.jpg")
    steps = [replace(frame_of(pets), number=number) for number in range(8)]
    harness = Harness(ScriptedSource(steps, live=False), lambda: load_model(settings), workers=2).run()
    assert sorted(harness.numbers) == list(range(8))
    assert all(detection.detail for result in harness.published for detection in result)
    assert "cascade" in harness.pipeline.health().stages_ms


@pytest.fixture
def no_process_is_left() -> Iterator[None]:
    yield
    until(lambda: not owners(), what=f"the end of {owners()}")
    close_all()
