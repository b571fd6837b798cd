"""What a model is fed with beside the picture: constants, what it said itself, sizes that it leaves open."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import ADD, RESHAPE, SOFTMAX, Graph, Op, Tensor, model_bytes

from edge_infer.bundle.model_file import ModelFile
from edge_infer.cli.main import main
from edge_infer.draw import save
from edge_infer.errors import ModelError
from edge_infer.feeding import Feeder, find_state, input_shapes
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.prepare.image import ImageOptions
from edge_infer.types import Frame, TensorSpec

FLOAT, BYTE = np.dtype(np.float32), np.dtype(np.uint8)
IMAGE = TensorSpec("image", (1, 4, 4, 3), BYTE)
BLACK = np.zeros((4, 4, 3), np.uint8)


def frame(number: int, source: str = "camera") -> Frame:
    return Frame(source, number, BLACK, 0.0, 0)


def feeder(inputs: Any, outputs: Any = (), constants: Any = (), state: Any = ()) -> Feeder:
    return Feeder(inputs, outputs, ImageOptions(), dict(constants), dict(state))


# --------------------------------------------------------------------------------------------------- constants


@pytest.mark.parametrize(
    ("spec", "values", "stored"),
    [
        (TensorSpec("t", (1, 3), FLOAT), (0.5,), [[0.5, 0.5, 0.5]]),
        (TensorSpec("t", (1, 3), FLOAT), (1, 2, 3), [[1, 2, 3]]),
        (TensorSpec("t", (1, 3), np.dtype(np.int8), (0.5,), (-10,)), (1, 2, 300), [[-8, -6, 127]]),
        (TensorSpec("t", (), np.dtype(np.int64)), (7,), 7),
    ],
)
def test_a_constant_is_one_number_or_all_as_the_input_stores_them(spec: TensorSpec, values: Any, stored: Any) -> None:
    tensors, _ = feeder([IMAGE, spec], constants={"t": values})(frame(0))
    assert tensors[1].tolist() == stored
    assert (tensors[1].dtype, tensors[1].shape) == (spec.dtype, spec.shape)
    assert tensors[0].shape == IMAGE.shape


def test_a_constant_of_another_length_is_refused() -> None:
    with pytest.raises(ModelError, match="input 't' takes 3 numbers, 2 are given"):
        feeder([IMAGE, TensorSpec("t", (1, 3), FLOAT)], constants={"t": (1, 2)})


@pytest.mark.parametrize(("constants", "state"), [({"x": (1,)}, {}), ({}, {"x": "t"}), ({}, {"t": "x"})])
def test_names_that_are_not_there_are_refused(constants: Any, state: Any) -> None:
    with pytest.raises(ModelError, match=r"the model has no (in|out)put 'x'; it has "):
        feeder([IMAGE, TensorSpec("t", (1,), FLOAT)], [TensorSpec("o", (1,), FLOAT)], constants, state)


def test_an_input_that_nobody_feeds_is_asked_about() -> None:
    with pytest.raises(ModelError, match=r"has the inputs image, t, and one is fed with pictures: give the others"):
        feeder([IMAGE, TensorSpec("t", (1,), FLOAT)])
    with pytest.raises(ModelError, match="has the inputs image, other"):
        feeder([IMAGE, TensorSpec("other", (1, 4, 4, 3), BYTE)])


def test_the_picture_may_stand_anywhere() -> None:
    tensors, _ = feeder([TensorSpec("t", (1,), FLOAT), IMAGE], constants={"t": (3,)})(frame(0))
    assert [tensor.shape for tensor in tensors] == [(1,), (1, 4, 4, 3)]


# ------------------------------------------------------------------------------------------------------- state

STATE = TensorSpec("state_in", (1, 2), FLOAT)
OUT = TensorSpec("state_out", (1, 2), FLOAT)


def test_a_state_begins_at_zero_is_fed_back_and_forgotten_when_the_stream_begins_anew() -> None:
    feed = feeder([IMAGE, STATE], [OUT], state={"state_in": "state_out"})
    said = iter(range(1, 99))

    def states(*frames: Frame) -> list[list[float]]:
        seen = []
        for one in frames:
            seen.append(feed(one)[0][1][0].tolist())
            feed.keep([np.full((1, 2), next(said), np.float32)])
        return seen

    assert states(frame(0), frame(1), frame(5)) == [[0, 0], [1, 1], [2, 2]]  # dropped frames are no new beginning
    assert states(frame(0), frame(1)) == [[0, 0], [4, 4]]
    assert states(frame(2, "other camera"), frame(3, "other camera")) == [[0, 0], [6, 6]]
    feed.forget()
    assert states(frame(4, "other camera")) == [[0, 0]]


def test_a_quantised_state_begins_at_real_zero_and_is_requantised() -> None:
    given = TensorSpec("state_out", (1, 2), np.dtype(np.int8), (0.5,), (4,))
    wanted = TensorSpec("state_in", (1, 2), BYTE, (0.25,), (100,))
    feed = feeder([IMAGE, wanted], [given], state={"state_in": "state_out"})
    assert feed(frame(0))[0][1].tolist() == [[100, 100]]
    feed.keep([np.int8([[4, 8]])])  # real: 0, 2
    assert feed(frame(1))[0][1].tolist() == [[100, 108]]
    same = feeder(
        [IMAGE, wanted], [TensorSpec("state_out", (2,), BYTE, (0.25,), (100,))], state={"state_in": "state_out"}
    )
    same(frame(0))
    same.keep([np.uint8([7, 9])])
    assert same(frame(1))[0][1].tolist() == [[7, 9]]


NAMES = [
    ("state_in", "state_out"),
    ("serving_default_h:0", "StatefulPartitionedCall_h:0"),
    ("h_prev", "h_next"),
    ("input_hidden", "output_hidden"),
]


def file_of(inputs: Any, outputs: Any) -> ModelFile:
    return ModelFile(Path("m.tflite"), 0, "", tuple(inputs), tuple(outputs), (), frozenset(), (), {}, {}, {}, 0)


@pytest.mark.parametrize(("name", "source"), NAMES)
def test_a_state_is_found_by_its_name_and_shape(name: str, source: str) -> None:
    inputs = [IMAGE, TensorSpec(name, (1, 8), FLOAT)]
    found: dict[str, str] = {}
    assert find_state(file_of(inputs, [TensorSpec(source, (1, 8), FLOAT)]), None, found) == {name: source}
    assert found == {"state": "names and shapes of inputs and outputs"}
    for other in (
        TensorSpec(source, (1, 9), FLOAT),
        TensorSpec("scores", (1, 8), FLOAT),
        TensorSpec(source, (1, 8), BYTE),
    ):
        assert find_state(file_of(inputs, [other]), None, {}) == {}
    assert find_state(file_of(inputs, [TensorSpec(source, (1, 8), FLOAT)]), {}, {}) == {}


def counter(path: Path, dtype: str = "float32") -> Path:
    """A model that answers with its state, and adds one to it."""
    scale, zero_point = (0.5, 10) if dtype == "uint8" else (None, 0)
    one = np.array([[12, 12]], np.uint8) if dtype == "uint8" else np.float32([[1, 1]])
    tensors = [
        Tensor("image", (1, 4, 4, 3), "uint8"),
        *(Tensor(name, (1, 2), dtype, None, scale, zero_point) for name in ("count_in", "count_out", "answer")),
        Tensor("one", (1, 2), dtype, one, scale, zero_point),
        Tensor("shape", (2,), "int32", np.int32([1, 2])),
    ]
    ops = [Op(ADD, ["count_in", "one"], ["count_out"]), Op(RESHAPE, ["count_in", "shape"], ["answer"])]
    path.write_bytes(model_bytes(Graph(tensors, ["image", "count_in"], ["answer", "count_out"], ops)))
    return path


def said(model: Model) -> float:
    return float(dict(model(BLACK).prediction)["answer"][0, 0])  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_model_with_a_state_counts_its_calls(tmp_path: Path, dtype: str) -> None:
    with load(counter(tmp_path / "m.tflite", dtype), kind="tensors") as model:
        assert model.recipe.state == {"count_in": "count_out"}
        assert [said(model) for _ in range(3)] == [0, 1, 2]
        model.forget()
        assert said(model) == 0


@pytest.mark.parametrize("isolated", [False, True])
def test_pictures_from_files_have_nothing_to_do_with_each_other(tmp_path: Path, isolated: bool) -> None:
    picture = save(BLACK, tmp_path / "black.jpg")
    with load(counter(tmp_path / "m.tflite"), kind="tensors", isolated=isolated) as model:
        assert [dict(model(picture).prediction)["answer"][0, 0] for _ in range(2)] == [0, 0]  # type: ignore[arg-type]
        assert said(model) == 1


def test_infer_forgets_one_picture_over_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = str(save(BLACK, tmp_path / "black.jpg"))
    path = str(counter(tmp_path / "m.tflite"))
    assert main(["infer", "--model", path, "--decoder", "tensors", "--json", picture, picture]) == 0
    answers = [json.loads(line)["tensors"]["answer"] for line in capsys.readouterr().out.splitlines()]
    assert answers == [[[0.0, 0.0]]] * 2


def remembering(path: Path) -> Path:
    """A classifier of three classes with a state of four numbers, named as Keras' converter names them."""
    tensors = [
        Tensor("serving_default_image:0", (1, 4, 4, 3), "uint8"),
        Tensor("serving_default_state:0", (1, 4)),
        Tensor("one", (1, 4), data=np.float32([[1, 1, 1, 1]])),
        Tensor("StatefulPartitionedCall_1:1", (1, 4)),
        Tensor("logits", (1, 3), data=np.float32([[0, 2, 1]])),
        Tensor("StatefulPartitionedCall_1:0", (1, 3)),
    ]
    ops = [
        Op(ADD, ["serving_default_state:0", "one"], ["StatefulPartitionedCall_1:1"]),
        Op(SOFTMAX, ["logits"], ["StatefulPartitionedCall_1:0"]),
    ]
    outputs = ["StatefulPartitionedCall_1:1", "StatefulPartitionedCall_1:0"]
    named = {"new_state": outputs[0], "scores": outputs[1]}
    graph = Graph(tensors, ["serving_default_image:0", "serving_default_state:0"], outputs, ops, signature=named)
    path.write_bytes(model_bytes(graph))
    return path


@pytest.mark.parametrize("isolated", [False, True])
def test_what_is_only_fed_back_is_none_of_the_answer(tmp_path: Path, isolated: bool) -> None:
    with load(remembering(tmp_path / "m.tflite"), labels=["a", "b", "c"], isolated=isolated) as model:
        assert model.recipe.kind == "classify"
        for _ in range(2):
            assert [category.label for category in model(BLACK)] == ["b", "c", "a"]


def test_a_state_may_be_named_as_the_signature_names_it(tmp_path: Path) -> None:
    path = remembering(tmp_path / "m.tflite")
    graph_names = {"serving_default_state:0": "StatefulPartitionedCall_1:1"}
    for state in ({"serving_default_state:0": "new_state"}, None):
        with load(path, state=state) as model:  # type: ignore[arg-type]
            assert model.recipe.state == graph_names


def test_an_input_may_be_constant_instead(tmp_path: Path) -> None:
    path = counter(tmp_path / "m.tflite")
    with load(path, kind="tensors", state={}, inputs={"count_in": (4.0,)}) as model:
        assert [said(model) for _ in range(2)] == [4, 4]


# ------------------------------------------------------------------------------------------------------- sizes


def spec(shape: tuple[int, ...], signature: tuple[int, ...] = (), name: str = "image") -> TensorSpec:
    return TensorSpec(name, shape, BYTE, signature=signature)


@pytest.mark.parametrize(
    ("inputs", "size", "usual", "shapes"),
    [
        ([spec((1, 8, 6, 3))], None, None, ()),
        ([spec((1, 8, 6, 3))], (6, 8), None, ()),
        ([spec((1, 8, 6, 3), (-1, 8, 6, 3))], None, None, ((1, 8, 6, 3),)),
        ([spec((1, 1, 1, 3), (1, -1, -1, 3))], (320, 256), None, ((1, 256, 320, 3),)),
        ([spec((1, 1, 1, 3), (1, -1, -1, 3))], None, (64, 32), ((1, 32, 64, 3),)),
        ([spec((1, 192, 192, 3), (1, -1, -1, 3))], None, None, ((1, 192, 192, 3),)),
        ([spec((1, 3, 192, 192), (1, 3, -1, -1))], (320, 256), None, ((1, 3, 256, 320),)),
        ([spec((1, 3, 8, 6))], (6, 8), None, ()),
        ([spec((1, 1, 1, 3), (-1, -1, -1, 3)), spec((1, 4), (-1, 4), "s")], (2, 3), None, ((1, 3, 2, 3), (1, 4))),
    ],
)
def test_what_a_model_leaves_open_is_chosen(inputs: Any, size: Any, usual: Any, shapes: Any) -> None:
    assert input_shapes(file_of(inputs, ()), size, usual) == shapes


def test_a_size_that_must_be_chosen_is_asked_for() -> None:
    with pytest.raises(ModelError, match=r"takes pictures of any size .*--input-size 320x320"):
        input_shapes(file_of([spec((1, 1, 1, 3), (1, -1, -1, 3))], ()), None)


def test_a_size_that_the_model_has_already_cannot_be_chosen() -> None:
    with pytest.raises(ModelError, match="takes pictures of 6x8 only: leave out size"):
        input_shapes(file_of([spec((1, 8, 6, 3))], ()), (320, 320))


def test_a_model_of_any_size_runs_at_the_size_that_is_said(tmp_path: Path) -> None:
    tensors = [Tensor("image", (1, 1, 1, 3), "float32", signature=(1, -1, -1, 3)), Tensor("out", (1, 1, 1, 3))]
    tensors.insert(1, Tensor("zero", (1,), data=np.float32([0])))
    graph = Graph(tensors, ["image"], ["out"], [Op(ADD, ["image", "zero"], ["out"])])
    (tmp_path / "m.tflite").write_bytes(model_bytes(graph))
    with load(tmp_path / "m.tflite", kind="tensors", size=(6, 4), mean=0, std=1) as model:
        ((_, value),) = model(np.full((40, 60, 3), 9, np.uint8)).prediction  # type: ignore[union-attr]
    assert value.shape == (1, 4, 6, 3)
    assert set(value.reshape(-1)) == {9.0}
