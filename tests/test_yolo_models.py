"""Models with the outputs of every exporter, from the file to the boxes on a picture that is letterboxed."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yolo_exports as made
from tflite_writer import RESHAPE, SOFTMAX, Graph, Op, Tensor, archive, model_bytes, write_answers

import edge_infer
from edge_infer.errors import ModelError
from edge_infer.types import Array, Classes, Detections

LABELS = ("cat", "dog", "bird")
SIZE = (128, 96)  # width, height of the input
PICTURE = np.zeros((180, 320, 3), np.uint8)  # shown as 128x72, 12 pixels below the top
SCALE, PAD = 128 / 320, 12
CAT: made.Box = (0, 0.9, 14, 20, 46, 60)
DOG: made.Box = (1, 0.8, 60, 30, 100, 70)
SHADOW: made.Box = (0, 0.5, 17, 22, 49, 60)  # of the cat: too much alike, in another cell


def on_picture(box: made.Box) -> list[float]:
    _, _, x0, y0, x1, y1 = box
    return [x0 / SCALE, (y0 - PAD) / SCALE, x1 / SCALE, (y1 - PAD) / SCALE]


def rows(channels: Array) -> Array:
    return np.ascontiguousarray(channels.T)


def boxes_and_scores(last: bool) -> dict[str, Array]:
    whole = made.plain([CAT, DOG, SHADOW], 3, SIZE)
    parts = {"boxes": whole[:4], "scores": whole[4:]}
    return {name: (rows(part) if last else part)[None] for name, part in parts.items()}


def levels(*, joined: bool = False, flat: bool = False, extra: bool = False) -> dict[str, Array]:
    """Distances and class logits as they leave the convolutions."""
    every = made.cells(SIZE)
    heads = np.full((len(every), 64 + 3), -6.0, np.float32)
    for box in (CAT, DOG, SHADOW):
        at = made.cell_of(box, SIZE)
        heads[at, :64] = made.distances(box, every[at])
        heads[at, 64 + box[0]] = math.log(box[1] / (1 - box[1]))
    outputs: dict[str, Array] = {}
    for stride in made.STRIDES:
        mine = heads[[cell[2] == stride for cell in every]].reshape(1, SIZE[1] // stride, SIZE[0] // stride, -1)
        parts = {f"both{stride}": mine} if joined else {f"box{stride}": mine[..., :64], f"cls{stride}": mine[..., 64:]}
        outputs |= parts | ({f"sum{stride}": mine[..., 64:].sum(axis=-1, keepdims=True)} if extra else {})
    return {"boxes": heads[None, :, :64], "scores": heads[None, :, 64:]} if flat else outputs


def end_to_end(*, ratio: bool) -> Array:
    size = SIZE if ratio else (1, 1)
    found = np.zeros((1, 300, 6), np.float32)
    for row, (class_id, score, x0, y0, x1, y1) in enumerate((CAT, DOG)):
        found[0, row] = [x0 / size[0], y0 / size[1], x1 / size[0], y1 / size[1], score, class_id]
    return found


def best_and_class() -> dict[str, Array]:
    """As Qualcomm's AI Hub exports: corners in pixels, the best score, its class."""
    whole = made.plain([CAT, DOG, SHADOW], 3, SIZE, ratio=False)
    corners = np.concatenate([whole[:2] - whole[2:4] / 2, whole[:2] + whole[2:4] / 2])
    ids = whole[4:].argmax(axis=0).astype(np.uint8)
    return {"boxes": rows(corners)[None], "scores": whole[4:].max(axis=0)[None], "class_idx": ids[None]}


def plain(**options: Any) -> Array:
    return made.plain([CAT, DOG, SHADOW], 3, SIZE, **options)


LAYOUTS: dict[str, Callable[[], dict[str, Array]]] = {
    "v8": lambda: {"out": plain()[None]},
    "v8 in pixels": lambda: {"out": plain(ratio=False)[None]},
    "v8 transposed": lambda: {"out": rows(plain())[None]},
    "v5": lambda: {"out": rows(plain(objectness=True))[None]},
    "v7 in pixels": lambda: {"out": rows(plain(objectness=True, ratio=False))[None]},
    "v10": lambda: {"out": end_to_end(ratio=True)},
    "v10 in pixels": lambda: {"out": end_to_end(ratio=False)},
    "boxes and scores": lambda: boxes_and_scores(last=False),
    "boxes and scores transposed": lambda: boxes_and_scores(last=True),
    "levels": lambda: levels(),
    "levels with sums": lambda: levels(extra=True),
    "levels with both": lambda: levels(joined=True),
    "levels in one": lambda: levels(flat=True),
    "Qualcomm's": best_and_class,
}
UNCERTAIN = {"v8 transposed", "levels with both"}  # without names of 3 classes: other models look the same
COARSE = {"v7 in pixels", "v8 in pixels", "v10 in pixels"}  # one int8 scale for pixels leaves nothing of scores


def check(found: Detections, pixels: float, score: float) -> None:
    assert found.class_ids.tolist() == [0, 1]
    assert found.boxes.tolist() == [pytest.approx(on_picture(box), abs=pixels) for box in (CAT, DOG)]
    assert found.scores.tolist() == pytest.approx([0.9, 0.8], abs=score)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_boxes_of_float_models_are_right_without_metadata(layout: str, tmp_path: Path) -> None:
    kind = "yolo" if layout in UNCERTAIN else None
    with edge_infer.load(made.write(tmp_path / "m.tflite", LAYOUTS[layout](), size=SIZE), kind=kind) as model:
        assert model.recipe.kind == "yolo"
        check(model(PICTURE).prediction, 1, 0.001)


@pytest.mark.parametrize("store", [np.int8, np.uint8], ids=["int8", "uint8"])
@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout not in COARSE])
def test_boxes_of_integer_models_are_right(layout: str, store: Any, tmp_path: Path) -> None:
    outputs = LAYOUTS[layout]()
    ids = outputs.pop("class_idx", None)
    path = tmp_path / "m.tflite"
    if ids is None:
        made.write(path, outputs, store=store, size=SIZE)
    else:
        stored = {name: made.quantised(value, store) for name, value in outputs.items()}
        scales = {name: each[1] for name, each in stored.items()}
        values = {name: each[0] for name, each in stored.items()} | {"class_idx": ids}
        write_answers(path, values, output_scales=scales, size=SIZE, dtype="uint8", scale=1 / 255)
    # A step of the shared scale is half a hundredth: 1.3 pixels of this small input's width on the picture.
    tolerance = 4 if "v5" in layout or "v10" in layout else 2
    with edge_infer.load(path, kind="yolo") as model:
        check(model(PICTURE).prediction, tolerance, 0.02)


def test_yolox_is_decoded_and_prepared_as_its_authors_do(tmp_path: Path) -> None:
    channels = plain(objectness=True)[:, : len(made.cells(SIZE))]
    channels[2:4] = -3
    for box in (CAT, DOG, SHADOW):
        x, y, stride = made.cells(SIZE)[made.cell_of(box, SIZE)]
        cx, cy, w, h = made.center(box, SIZE, ratio=False)
        at = made.cell_of(box, SIZE)
        channels[:4, at] = [cx / stride - x, cy / stride - y, math.log(w / stride), math.log(h / stride)]
    path = made.write(tmp_path / "m.tflite", {"out": rows(channels)[None]}, size=SIZE)
    with edge_infer.load(path, kind="yolox") as model:
        found = model(PICTURE).prediction
        assert (model.recipe.prepare.color, model.recipe.prepare.std) == ("bgr", (1.0,))
    assert found.boxes.tolist() == [pytest.approx([v / SCALE for v in box[2:]], abs=1) for box in (CAT, DOG)]


def test_an_integer_model_of_the_usual_size_is_true_to_the_pixel_that_its_scale_allows(tmp_path: Path) -> None:
    size = (640, 640)
    box: made.Box = (17, 0.7, 100, 200, 300, 500)
    path = made.write(tmp_path / "m.tflite", {"out": made.plain([box], 80, size)[None]}, store=np.int8)
    with edge_infer.load(path) as model:
        found = model(np.zeros((640, 640, 3), np.uint8)).prediction
    step = 640 / 255
    assert found.boxes[0].tolist() == pytest.approx(box[2:], abs=step)
    assert found.class_ids.tolist() == [17]


def test_metadata_names_the_task_and_the_classes(tmp_path: Path) -> None:
    files = made.metadata("detect", LABELS, imgsz=[96, 128])
    path = made.write(tmp_path / "m.tflite", {"out": plain()[None]}, size=SIZE, files=files)
    with edge_infer.load(path) as model:
        assert model(PICTURE).prediction.labels == ("cat", "dog")
        assert model.recipe.found["task"] == "the metadata of Ultralytics' exporter"
        assert model.recipe.prepare.pad == 114


def test_a_model_for_pictures_of_any_size_is_run_at_the_size_it_was_exported_for(tmp_path: Path) -> None:
    out = plain()[None]
    tensors = [
        Tensor("image", (1, 1, 1, 3), signature=(1, -1, -1, 3)),
        Tensor("given", out.shape, data=out),
        Tensor("shape", (3,), "int32", out.shape),
        Tensor("out", out.shape),
    ]
    graph = Graph(tensors, ["image"], ["out"], [Op(RESHAPE, ["given", "shape"], ["out"])])
    path = tmp_path / "m.tflite"
    path.write_bytes(model_bytes(graph) + archive(made.metadata("detect", LABELS, imgsz=[96, 128])))
    with edge_infer.load(path) as model:
        check(model(PICTURE).prediction, 1, 0.001)


def test_the_metadata_of_yolov5_has_no_task(tmp_path: Path) -> None:
    files = {"meta.txt": str({"stride": 32, "names": dict(enumerate(LABELS))})}
    outputs = {"out": rows(plain(objectness=True))[None]}
    with edge_infer.load(made.write(tmp_path / "m.tflite", outputs, size=SIZE, files=files)) as model:
        assert model(PICTURE).prediction.labels == ("cat", "dog")


@pytest.mark.parametrize("ratio", [True, False])
def test_finished_outputs_of_two_classes_are_not_taken_for_cells(ratio: bool, tmp_path: Path) -> None:
    files = made.metadata("detect", LABELS[:2], args={"nms": True})
    outputs = {"out": end_to_end(ratio=ratio)}
    with edge_infer.load(made.write(tmp_path / "m.tflite", outputs, size=SIZE, files=files)) as model:
        check(model(PICTURE).prediction, 1, 0.001)


def shown(area: tuple[int, int, int, int], last: bool) -> Array:
    """32 prototypes of 24x32 (a quarter of the input); the first is above 0 in the area of the input."""
    x0, y0, x1, y1 = (side // 4 for side in area)
    prototypes = np.zeros((24, 32, 32), np.float32)
    prototypes[..., 0] = -1
    prototypes[y0:y1, x0:x1, 0] = 1
    return prototypes[None] if last else np.moveaxis(prototypes, -1, 0)[None]


@pytest.mark.parametrize("store", [None, np.int8], ids=["float", "int8"])
@pytest.mark.parametrize("layout", ["v8", "v5", "end to end"])
def test_masks_lie_where_the_prototypes_say(layout: str, store: Any, tmp_path: Path) -> None:
    if layout == "end to end":
        found = np.concatenate([end_to_end(ratio=True), np.zeros((1, 300, 32), np.float32)], axis=2)
        found[..., 6] = 1
    else:
        channels = plain(extras=32, objectness=layout == "v5")
        channels[-32] = 1
        found = (rows(channels) if layout == "v5" else channels)[None]
    area = (16, 28, 32, 100)  # within the cat's columns, from below its top on
    outputs = {"found": found, "prototypes": shown(area, last=layout != "v5")}
    path = made.write(tmp_path / "m.tflite", outputs, size=SIZE, store=None if layout == "end to end" else store)
    with edge_infer.load(path) as model:
        result = model(PICTURE)
    assert result.task == "segment"
    cat = next(iter(result.prediction))
    seen = np.zeros(PICTURE.shape[:2], bool)
    left, top = math.floor(cat.box[0]), math.floor(cat.box[1])
    assert cat.mask is not None
    seen[top : top + cat.mask.shape[0], left : left + cat.mask.shape[1]] = cat.mask
    expected = np.zeros_like(seen)
    expected[math.ceil((28 - PAD) / SCALE) : round(cat.box[3]), int(16 / SCALE) : int(32 / SCALE)] = True
    assert np.count_nonzero(seen & expected) / np.count_nonzero(seen | expected) > 0.95


def test_an_object_whose_mask_has_no_pixel_is_left_out(tmp_path: Path) -> None:
    channels = plain(extras=32)
    channels[-32] = 1
    outputs = {"found": channels[None], "prototypes": shown((16, 28, 32, 100), last=True)}
    with edge_infer.load(made.write(tmp_path / "m.tflite", outputs, size=SIZE)) as model:
        (cat,) = model(PICTURE).prediction  # the dog lies where the prototype is below 0
    assert cat.class_id == 0


@pytest.mark.parametrize("last", [True, False])
def test_a_semantic_map_is_brought_to_the_picture_without_the_letterbox(last: bool, tmp_path: Path) -> None:
    logits = np.zeros((96, 128, 3), np.float32)
    logits[..., 1] = -1
    logits[:PAD, :, 1] = logits[-PAD:, :, 1] = 9  # dogs in the border
    logits[PAD:-PAD, 64:, 2] = 2
    out = logits if last else np.moveaxis(logits, -1, 0)
    files = made.metadata("semantic", LABELS)
    with edge_infer.load(made.write(tmp_path / "m.tflite", {"out": out[None]}, size=SIZE, files=files)) as model:
        result = model(PICTURE)
        assert (model.recipe.kind, model.recipe.prepare.resize) == ("yolo-semantic", "letterbox")
    assert result.task == "segment"
    assert np.all(result.prediction.class_map[:, :160] == 0)
    assert np.all(result.prediction.class_map[:, 160:] == 2)
    assert [region.label for region in result.prediction] == ["cat", "bird"]


def test_a_semantic_map_of_one_class_is_there_where_its_logit_is_above_0(tmp_path: Path) -> None:
    logits = np.full((1, 96, 128, 1), -0.5, np.float32)
    logits[:, :, 64:] = 0.4  # as a score it would be below 0.5
    files = made.metadata("semantic", ("road",))
    with edge_infer.load(made.write(tmp_path / "m.tflite", {"out": logits}, size=SIZE, files=files)) as model:
        found = model(PICTURE).prediction
    assert np.all(found.class_map == (np.arange(320) >= 160))
    assert {region.label for region in found} == {"background", "road"}


@pytest.mark.parametrize("numbers", [2, 3])
@pytest.mark.parametrize("finished", [False, True])
def test_keypoints_are_in_pixels_of_the_frame(numbers: int, finished: bool, tmp_path: Path) -> None:
    points = [[20 / 128, 30 / 96, 0.75][:numbers], [40 / 128, 50 / 96, 0.25][:numbers]]
    values = np.array(points, np.float32).reshape(-1)
    if finished:
        found = np.concatenate([end_to_end(ratio=True), np.zeros((1, 300, len(values)), np.float32)], axis=2)
        found[0, :2, 6:] = values
        outputs = {"out": found}
    else:
        channels = plain(extras=len(values))
        channels[-len(values) :] = values[:, None]
        outputs = {"out": channels[None]}
    files = made.metadata("pose", LABELS, kpt_shape=[2, numbers], kpt_names={"0": ["head", "tail"]})
    with edge_infer.load(made.write(tmp_path / "m.tflite", outputs, size=SIZE, files=files)) as model:
        result = model(PICTURE)
    assert result.task == "pose"
    cat = next(iter(result.prediction))
    assert result.prediction.keypoint_names == ("head", "tail")
    assert [*cat.keypoints[0], *cat.keypoints[1]] == pytest.approx([50, 45, 100, 95], abs=1)
    assert cat.keypoint_scores == (() if numbers == 2 else pytest.approx((0.75, 0.25)))


def test_a_body_has_the_points_of_coco(tmp_path: Path) -> None:
    channels = made.plain([(0, 0.9, 10, 20, 42, 60)], 1, SIZE, extras=51)
    path = made.write(tmp_path / "m.tflite", {"out": channels[None]}, size=SIZE)
    with pytest.raises(ModelError, match="cannot be known from the file"):  # 52 classes look the same
        edge_infer.load(path)
    with edge_infer.load(path, kind="yolo-pose", labels=["person"]) as model:
        found = model(PICTURE).prediction
    assert found.keypoint_names[0] == "nose"
    assert len(found.keypoint_names) == 17


@pytest.mark.parametrize("finished", [False, True])
def test_turned_boxes_have_corners_and_a_box_around_them(finished: bool, tmp_path: Path) -> None:
    angle = math.pi / 6
    x, y, w, h = 64.0, 48.0, 40.0, 20.0
    if finished:
        out = np.zeros((1, 300, 7), np.float32)
        out[0, 0] = [x / 128, y / 96, w / 128, h / 96, 0.9, 1, angle]
    else:
        channels = made.plain([(1, 0.9, x - w / 2, y - h / 2, x + w / 2, y + h / 2)], 3, SIZE, extras=1)
        channels[-1] = angle
        out = channels[None]
    path = made.write(tmp_path / "m.tflite", {"out": out}, size=SIZE, files=made.metadata("obb", LABELS))
    with edge_infer.load(path) as model:
        (dog,) = model(PICTURE).prediction
    cos, sin = math.cos(angle), math.sin(angle)
    wanted = [
        ((x + u * w / 2 * cos - v * h / 2 * sin) / SCALE, (y + u * w / 2 * sin + v * h / 2 * cos - PAD) / SCALE)
        for u, v in ((1, 1), (1, -1), (-1, -1), (-1, 1))
    ]
    assert np.array(dog.corners).tolist() == [pytest.approx(corner, abs=1) for corner in wanted]
    across, down = zip(*wanted, strict=True)
    assert dog.box == pytest.approx((min(across), min(down), max(across), max(down)), abs=1)
    assert dog.label == "dog"


def test_classifiers_see_the_middle_of_the_picture(tmp_path: Path) -> None:
    # One number for each colour: the mean of the input.
    tensors = [
        Tensor("image", (1, 32, 32, 3)),
        Tensor("axes", (2,), "int32", [1, 2]),
        Tensor("out", (1, 3)),
        Tensor("mean", (1, 3)),
    ]
    mean = 40  # Source: MEAN in schema.fbs
    graph = Graph(tensors, ["image"], ["out"], [Op(mean, ["image", "axes"], ["mean"]), Op(SOFTMAX, ["mean"], ["out"])])
    path = tmp_path / "m.tflite"
    path.write_bytes(model_bytes(graph) + archive(made.metadata("classify", ("red", "green", "blue"))))
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = (255, 0, 0)  # BGR
    picture[:, :100] = picture[:, 200:] = (0, 0, 255)
    with edge_infer.load(path) as model:
        result = model(picture)
        assert model.recipe.prepare.resize == "crop"
    assert isinstance(result.prediction, Classes)
    assert result.prediction.labels[0] == "blue"
    assert result.prediction.scores[0] == pytest.approx(math.e / (math.e + 2), abs=0.01)


def test_pictures_go_channels_first_where_the_model_wants_them_so(tmp_path: Path) -> None:
    # litert-torch leaves PyTorch's order of dimensions; the numbers of a finished object are those of three pixels.
    shape = Tensor("shape", (3,), "int32", [1, 512, 6])
    tensors = [Tensor("image", (1, 3, 32, 32)), shape, Tensor("out", (1, 512, 6))]
    path = tmp_path / "m.tflite"
    path.write_bytes(model_bytes(Graph(tensors, ["image"], ["out"], [Op(RESHAPE, ["image", "shape"], ["out"])])))
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[0, 2:5, 2] = 255  # red, pixels 2 to 4: x1, y1, score of the first row; x0, y0 and the class are 0
    with edge_infer.load(path) as model:
        (found,) = model(picture).prediction
    assert found.box == pytest.approx((0, 0, 32, 32))
    assert found.score == 1.0


def test_outputs_of_another_size_or_with_other_labels_are_refused(tmp_path: Path) -> None:
    path = made.write(tmp_path / "m.tflite", {"out": plain()[None]}, size=SIZE)
    with pytest.raises(ModelError, match=r"not those of a YOLO model for 'detect' .* and 5 classes: check the labels"):
        edge_infer.load(path, labels=["a", "b", "c", "d", "e"])
    with pytest.raises(ModelError, match="not those of a YOLO model for 'segment'"):
        edge_infer.load(path, kind="yolo-segment")
