"""Models that find points, from their files to points in the frame."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import CUSTOM, Graph, Op, Tensor, model_bytes, write_answers

from edge_infer.bundle.model_file import read_model
from edge_infer.decode.movenet import PERSON
from edge_infer.errors import ModelError
from edge_infer.kinds.kind import Clues
from edge_infer.kinds.registry import recognise
from edge_infer.loading import load
from edge_infer.sources.images import read_image
from edge_infer.types import Array, Detections, Keypoints

WIDE = np.full((200, 400, 3), 90, np.uint8)  # letterboxed into a square: a quarter of the height is border on each side

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(answers: Mapping[str, Any], **parts: Any) -> Path:
        return write_answers(tmp_path / "model.tflite", answers, **parts)

    return write


def pose(x: float, y: float) -> Array:
    raw = np.zeros((1, 1, 17, 3), np.float32)
    raw[..., :] = (y, x, 0.6)
    return raw


@pytest.mark.parametrize(
    "parts",
    [
        {"dtype": "uint8"},
        {"dtype": "int32"},
        {"dtype": "float32"},
        {"dtype": "uint8", "scale": 1.0},
        {"dtype": "int8", "scale": 1.0, "zero_point": -128},
    ],
    ids=lambda parts: "-".join(map(str, parts.values())),
)
def test_movenet_takes_pixels_as_they_are_and_a_letterboxed_picture(write: Write, parts: dict[str, Any]) -> None:
    path = write({"StatefulPartitionedCall:0": pose(0.25, 0.5)}, size=(192, 192), **parts)
    with load(path) as model:
        result = model(WIDE)
        tensor, _ = model.engine.feed.prepare(WIDE)
    assert (result.task, model.recipe.kind) == ("pose", "movenet")
    assert isinstance(result.prediction, Keypoints)
    assert result.prediction.points[0] == pytest.approx([100, 100])
    offset = -128 if parts["dtype"] == "int8" else 0
    assert tensor.min() == offset  # the border
    assert tensor.max() == 90 + offset


def test_movenet_can_be_given_a_stretched_picture(write: Write) -> None:
    path = write({"pose": pose(0.25, 0.25)}, size=(192, 192), dtype="uint8")
    with load(path, resize="stretch") as model:
        found = model(WIDE).prediction
    assert isinstance(found, Keypoints)
    assert found.points[0] == pytest.approx([100, 50])


def test_the_published_pose_is_found(models: Path, inputs: Path, testdata: Path) -> None:
    """Source: libcoral's movenet_test.cc and its reference: at least 8 sure points within .04 of the side."""
    with (testdata / "labels" / "movenet_single_pose_lightning_ptq_reference.csv").open() as file:
        expected = [(float(row["keypoint_x"]), float(row["keypoint_y"])) for row in csv.DictReader(file)]
    picture = read_image(inputs / "squat.bmp")
    for resize in (None, "stretch"):
        options = {"resize": resize} if resize else {}
        with load(models / "movenet_single_pose_lightning_ptq.tflite", **options) as model:  # type: ignore[arg-type]
            found = model(picture).prediction
        assert isinstance(found, Keypoints)
        near = np.abs(found.points / picture.shape[1::-1] - expected).max(axis=1) < 0.04
        assert (near & (found.scores > 0.4)).sum() >= 12, resize


def test_movenet_for_several_has_an_open_size_of_256(tmp_path: Path) -> None:
    people = np.zeros((1, 6, PERSON), np.float32)
    people[0, 2, :51] = np.tile((0.5, 0.25, 0.8), 17)
    people[0, 2, 51:] = (0.25, 0.125, 0.75, 0.5, 0.9)
    tensors = [
        Tensor("input", (1, 1, 1, 3), "int32", signature=(1, -1, -1, 3)),
        Tensor("given", people.shape, data=people),
        Tensor("output_0", people.shape),
        Tensor("shape", (3,), "int32", people.shape),
    ]
    path = tmp_path / "multi.tflite"
    path.write_bytes(model_bytes(Graph(tensors, ["input"], ["output_0"], [Op(22, ["given", "shape"], ["output_0"])])))
    with load(path) as model:
        assert model.runtime.inputs[0].shape == (1, 256, 256, 3)
        found = model(WIDE).prediction
    assert isinstance(found, Detections)
    (one,) = found
    assert (one.label, one.score) == ("person", np.float32(0.9))
    assert one.box == pytest.approx((50, 0, 200, 200))
    assert one.keypoints[0] == pytest.approx((100, 100), abs=1e-4)
    with load(path, size=(320, 192)) as model:
        assert model.runtime.inputs[0].shape == (1, 192, 320, 3)


def posenet(*channels: int) -> dict[str, Array]:
    """A nose in the cell (3, 2) of a 9x9 grid, with all other points where it is."""
    names = {17: "float_heatmaps", 34: "float_short_offsets", 64: "float_mid_offsets", 1: "float_segments"}
    answers = {names.get(c, f"displacement_{'fwd' if i % 2 else 'bwd'}_2"): c for i, c in enumerate(channels)}
    outputs = {name: np.zeros((1, 9, 9, c), np.float32) for name, c in answers.items()}
    outputs["float_heatmaps"][:] = -4
    outputs["float_heatmaps"][0, 2, 3] = 2
    outputs["float_short_offsets"][0, 2, 3, :17] = 5  # y
    return outputs


@pytest.mark.parametrize("channels", [(17, 34, 64, 1), (34, 17, 32, 32), (17, 34)], ids=str)
def test_posenet_is_found_by_its_channels(write: Write, channels: tuple[int, ...]) -> None:
    path = write(posenet(*channels), size=(257, 257), dtype="float32")
    with load(path) as model:
        assert (model.recipe.kind, model.recipe.prepare.resize) == ("posenet", "letterbox")
        found = model(WIDE).prediction
    scale = 257 / 400
    nose = (3 * 32 / scale, (2 * 32 + 5 - 64) / scale)
    if channels == (17, 34):
        assert isinstance(found, Keypoints)
        assert found.points[0] == pytest.approx(nose, abs=0.5)
    else:
        assert isinstance(found, Detections)
        assert found.labels == ("person",)
        assert found.keypoints is not None
        assert found.keypoints[0, 0] == pytest.approx(nose, abs=0.5)


def test_a_quantised_posenet_says_the_same(write: Write) -> None:
    outputs = {name: np.round(value).astype(np.int8) for name, value in posenet(17, 34, 64).items()}
    scales = dict.fromkeys(outputs, (1.0, 0))
    path = write(outputs, size=(257, 257), dtype="uint8", scale=1 / 127.5, zero_point=127, output_scales=scales)
    with load(path) as model:
        found = model(WIDE).prediction
    assert isinstance(found, Detections)
    assert found.scores == pytest.approx([1 / (1 + np.exp(-2))])


def test_forward_and_backward_displacements_are_told_by_their_names(write: Write) -> None:
    model = read_model(write(posenet(17, 34, 32, 32)))
    assert [spec.name for spec in model.outputs][2:] == ["displacement_bwd_2", "displacement_fwd_2"]
    from edge_infer.kinds.posenet import find_heads

    heads = find_heads(model.outputs)
    assert heads is not None
    assert (heads.forward, heads.backward) == (3, 2)


def test_corals_op_is_recognised_and_missed_by_name(tmp_path: Path) -> None:
    shapes = {"poses": (1, 10, 17, 2), "scores": (1, 10, 17), "pose_scores": (1, 10), "count": (1,)}
    tensors = [Tensor("image", (1, 33, 33, 3), "uint8"), *(Tensor(name, shape) for name, shape in shapes.items())]
    graph = Graph(tensors, ["image"], list(shapes), [Op(CUSTOM, ["image"], list(shapes), "PosenetDecoderOp")])
    path = tmp_path / "decoder.tflite"
    path.write_bytes(model_bytes(graph))
    kind, _ = recognise(Clues(read_model(path)))
    assert kind.name == "posenet-op"
    with pytest.raises(ModelError, match="PosenetDecoderOp"):
        load(path)


LANDMARKS: dict[str, tuple[tuple[int, int], int, dict[str, tuple[int, ...]]]] = {
    "body": ((256, 256), 33, {
        "Identity": (1, 195), "Identity_1": (1, 1), "Identity_2": (1, 256, 256, 1),
        "Identity_3": (1, 64, 64, 39), "Identity_4": (1, 117),
    }),
    "hand": ((224, 224), 21, {"Identity": (1, 63), "Identity_1": (1, 1), "Identity_2": (1, 1), "Identity_3": (1, 63)}),
    "face": ((192, 192), 468, {"conv2d_21": (1, 1, 1, 1404), "conv2d_31": (1, 1, 1, 1)}),
}  # fmt: skip


@pytest.mark.parametrize("what", LANDMARKS)
def test_mediapipes_landmarks_are_recognised_and_lie_in_the_frame(write: Write, what: str) -> None:
    size, count, shapes = LANDMARKS[what]
    answers = {name: np.full(shape, 0.9, np.float32) for name, shape in shapes.items()}
    path = write(answers, size=size, dtype="float32")
    with load(path) as model:
        assert (model.recipe.kind, model.recipe.prepare.std) == ("landmarks", (255.0,))
        result = model(WIDE)
    assert result.task == "pose"
    assert isinstance(result.prediction, Keypoints)
    assert len(result.prediction) == count
    assert result.prediction.points.max() <= 400


@pytest.mark.parametrize(
    "shapes",
    [
        {"a": (1, 63), "b": (1, 1)},  # could be anything
        {"a": (1, 6, 55)},
        {"a": (1, 100, 56)},
        {"a": (1, 1, 21, 3)},
        {"a": (1, 9, 9, 17), "b": (1, 5, 5, 34)},
        {"a": (1, 9, 9, 17), "b": (1, 9, 9, 34), "c": (1, 9, 9, 32)},
    ],
    ids=str,
)
def test_what_is_alike_is_not_taken_for_points(write: Write, shapes: dict[str, tuple[int, ...]]) -> None:
    path = write({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    with pytest.raises(ModelError, match="cannot be known"):
        recognise(Clues(read_model(path)))


@pytest.mark.parametrize("kind", ["movenet", "movenet-multi", "posenet", "posenet-op", "landmarks"])
def test_a_decoder_that_does_not_fit_says_what_it_needs(write: Write, kind: str) -> None:
    path = write({"a": np.zeros((1, 7, 3), np.float32)}, dtype="uint8")
    with pytest.raises(ModelError, match=r"(this model has other|gives\s+outputs)"):
        load(path, kind=kind)
