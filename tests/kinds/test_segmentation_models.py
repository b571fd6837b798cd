"""Segmentation models as exporters leave them, from the file to the class map."""

from pathlib import Path
from typing import Any

import metadata_writer as written
import numpy as np
import pytest
from cut_models import without_last_operator
from tflite_writer import (
    ARG_MAX,
    LOGISTIC,
    RESIZE_BILINEAR,
    SOFTMAX,
    Graph,
    Op,
    Tensor,
    archive,
    model_bytes,
    write_answers,
)

from edge_infer.errors import ModelError
from edge_infer.loading import load
from edge_infer.types import Mask

SIDE = 32
WIDE = np.full((64, 128, 3), 127, np.uint8)
LABELS = "background\ncat\ndog\nowl\n"
IDS = np.zeros((SIDE, SIDE), np.int64)
IDS[:16, :8], IDS[20:, 16:] = 3, 1
LOGITS = np.where(np.arange(4) == IDS[..., None], 4.0, -4.0).astype(np.float32)[None]


def segmented(path: Path, picture: Any = WIDE, **options: Any) -> Mask:
    with load(path, **options) as model:
        result = model(picture)
    assert (result.task, result.status) == ("segment", "ok")
    assert isinstance(result.prediction, Mask)
    assert result.prediction.class_map.shape == picture.shape[:2]
    return result.prediction


def behind(path: Path, operator: int, given: Any, shape: tuple[int, ...], extra: Any = None, **files: str) -> Path:
    """A model whose last operator makes the output of this shape of what is given."""
    tensors = [Tensor("image", (1, SIDE, SIDE, 3), "uint8"), Tensor("given", given.shape, data=given)]
    if extra is not None:
        tensors.append(Tensor("extra", np.shape(extra), "int32", extra))
    tensors.append(Tensor("map", shape, "int64" if operator == ARG_MAX else "float32"))
    inputs = ["given"] if extra is None else ["given", "extra"]
    graph = Graph(tensors, ["image"], ["map"], [Op(operator, inputs, ["map"])])
    path.write_bytes(model_bytes(graph) + archive({name.replace("_", "."): text for name, text in files.items()}))
    return path


def enlarged(ids: Any, width: int = 128, height: int = 64) -> list[list[int]]:
    rows, columns = (np.arange(height) * SIDE // height), (np.arange(width) * SIDE // width)
    return np.asarray(ids)[rows][:, columns].tolist()


def test_an_argmax_gives_the_classes(tmp_path: Path) -> None:
    path = behind(tmp_path / "m.tflite", ARG_MAX, LOGITS, (1, SIDE, SIDE), extra=np.int32(3))
    mask = segmented(path)
    assert mask.class_map.tolist() == enlarged(IDS)
    assert [(region.class_id, region.label) for region in mask] == [(0, "0"), (1, "1"), (3, "3")]


def test_logits_that_are_enlarged_to_the_size_of_the_input(tmp_path: Path) -> None:
    path = behind(
        tmp_path / "m.tflite", RESIZE_BILINEAR, LOGITS, LOGITS.shape, extra=np.int32([SIDE, SIDE]), labels_txt=LABELS
    )
    mask = segmented(path)
    assert mask.class_map.tolist() == enlarged(IDS)
    assert {region.label for region in mask} == {"background", "cat", "owl"}


def test_a_softmax_for_each_pixel(tmp_path: Path) -> None:
    path = behind(tmp_path / "m.tflite", SOFTMAX, LOGITS[..., :3], (1, SIDE, SIDE, 3))
    assert {region.class_id for region in segmented(path)} == {0, 1}


@pytest.mark.parametrize(("dtype", "zero_point"), [(np.int8, -5), (np.uint8, 120)])
def test_quantised_logits_with_a_label_for_each_channel(tmp_path: Path, dtype: type, zero_point: int) -> None:
    stored = (LOGITS / 0.1 + zero_point).astype(dtype)
    path = write_answers(
        tmp_path / "m.tflite",
        {"map": stored},
        size=(SIDE, SIDE),
        dtype="uint8",
        output_scales={"map": (0.1, zero_point)},
        files={"labels.txt": LABELS},
    )
    assert segmented(path).class_map.tolist() == enlarged(IDS)
    only = segmented(path, allow=("cat",))
    assert {region.label for region in only} == {"background", "cat"}


def test_channels_may_come_first(tmp_path: Path) -> None:
    first = np.ascontiguousarray(LOGITS.transpose(0, 3, 1, 2))
    path = write_answers(
        tmp_path / "m.tflite", {"map": first}, size=(SIDE, SIDE), dtype="uint8", files={"labels.txt": LABELS}
    )
    assert segmented(path).class_map.tolist() == enlarged(IDS)


def test_one_score_for_each_pixel_is_person_or_background(tmp_path: Path) -> None:
    logits = np.where(IDS > 0, 2.0, -2.0).astype(np.float32).reshape(1, SIDE, SIDE, 1)
    path = behind(tmp_path / "m.tflite", LOGISTIC, logits, logits.shape, labels_txt="person\n")
    mask = segmented(path)
    assert mask.class_map.tolist() == enlarged(IDS > 0)
    assert [region.label for region in mask] == ["background", "person"]
    assert {region.class_id for region in segmented(path, min_score=0.9)} == {0}


@pytest.mark.parametrize(("activation", "given"), [(0, 1 / (1 + np.exp(-LOGITS[..., 3:]))), (1, LOGITS[..., 3:])])
def test_mediapipes_metadata_tells_the_activation(tmp_path: Path, activation: int, given: Any) -> None:
    metadata = written.metadata(
        outputs=[written.tensor("mask")], custom={"SEGMENTER_METADATA": written.segmenter(activation)}
    )
    path = write_answers(
        tmp_path / "m.tflite", {"map": given.astype(np.float32)}, size=(SIDE, SIDE), dtype="uint8", metadata=metadata
    )
    assert segmented(path).class_map.tolist() == enlarged(IDS == 3)


def test_int64_classes_are_not_copied_as_such(tmp_path: Path) -> None:
    path = behind(tmp_path / "m.tflite", ARG_MAX, LOGITS, (1, SIDE, SIDE), extra=np.int32(3))
    with load(path) as model:
        (reduced,) = model.runtime.run([np.zeros((1, SIDE, SIDE, 3), np.uint8)], model.engine.decode.reduce)  # type: ignore[attr-defined]
    assert (reduced.dtype, reduced.shape) == (np.uint8, (SIDE, SIDE))


def test_the_classes_lie_where_the_region_and_the_letterbox_have_put_them(tmp_path: Path) -> None:
    path = behind(tmp_path / "m.tflite", ARG_MAX, LOGITS, (1, SIDE, SIDE), extra=np.int32(3))
    mask = segmented(path, resize="letterbox", roi=(64, 0, 128, 32)).class_map
    assert not mask[:, :64].any()
    assert not mask[32:].any()
    # 64x32 become 32x16, 8 rows below the top: of the map's rows 8 to 23 each is two of the frame's.
    assert mask[:32, 64:].tolist() == np.repeat(np.repeat(IDS[8:24], 2, axis=0), 2, axis=1).tolist()


UNKNOWN = {
    "a picture": np.zeros((1, SIDE, SIDE, 3), np.float32),
    "a depth map": np.zeros((1, SIDE, SIDE, 1), np.float32),
    "features": np.zeros((1, 4, 4, 64), np.float32),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_may_be_something_else_is_asked_about(tmp_path: Path, name: str) -> None:
    path = write_answers(tmp_path / "m.tflite", {"map": UNKNOWN[name]}, size=(SIDE, SIDE), dtype="uint8")
    with pytest.raises(ModelError, match="cannot be known from the file"):
        load(path)


def test_several_outputs_are_no_segmentation(tmp_path: Path) -> None:
    path = write_answers(tmp_path / "m.tflite", {"a": LOGITS, "b": LOGITS}, size=(SIDE, SIDE), dtype="uint8")
    with pytest.raises(ModelError, match="has 2 outputs; segmentation has one"):
        load(path, kind="segment")


def test_the_logits_of_a_real_model_give_the_classes_of_its_argmax(models: Path, inputs: Path, tmp_path: Path) -> None:
    whole = models / "deeplabv3_mnv2_dm05_pascal_quant.tflite"
    without_last_operator(whole, tmp_path / "logits.tflite", outputs=1)
    maps = []
    for path in (whole, tmp_path / "logits.tflite"):
        with load(path) as model:
            maps.append(model(inputs / "bird_segmentation.bmp").prediction.class_map)  # type: ignore[union-attr]
    np.testing.assert_array_equal(*maps)
