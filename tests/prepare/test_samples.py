from typing import Any

import numpy as np
import pytest

from edge_infer.errors import InputError, ModelError
from edge_infer.prepare.samples import SampleOptions, SamplePreparer
from edge_infer.types import Frame, Span, TensorSpec


def spec(*shape: int, dtype: type = np.float32, scale: float = 0.0, zero_point: int = 0) -> TensorSpec:
    quantised = {"scale": (scale,), "zero_point": (zero_point,)} if scale else {}
    return TensorSpec("x", shape, np.dtype(dtype), **quantised)


def window(data: Any, *channels: str) -> Frame:
    values = np.asarray(data, np.float32)
    names = channels or tuple("abcdefgh"[: values.shape[1]])
    return Frame("pump", 0, values, 0.0, 0, span=Span(0, len(values), 10.0, names))


@pytest.mark.parametrize(
    ("shape", "options", "samples", "channels"),
    [
        ((15600,), {"sound": True}, 15600, 1),
        ((1, 15600), {"sound": True}, 15600, 1),
        ((1, 16000, 1), {"sound": True}, 16000, 1),
        ((1,), {"sound": True, "window": 8000}, 8000, 1),
        ((1, 100, 6), {"sound": False}, 100, 6),
        ((1, 100, 6, 1), {"sound": False}, 100, 6),
        ((100, 6), {"sound": False}, 100, 6),
        ((1, 6), {"sound": False}, 1, 6),
        ((1, 128, 1), {"sound": False}, 128, 1),
        ((1, 600), {"sound": False, "channels": tuple("abcdef")}, 100, 6),
    ],
)
def test_the_shape_of_the_input_tells_the_window(
    shape: tuple[int, ...], options: dict[str, Any], samples: int, channels: int
) -> None:
    wanted = SamplePreparer(spec(*shape), SampleOptions(**options)).wanted
    assert (wanted.samples, wanted.channels) == (samples, channels)


@pytest.mark.parametrize(("overlap", "hop"), [(0.0, 100), (0.5, 50), (0.75, 25), (0.999, 1), (1 / 3, 67)])
def test_windows_overlap_by_a_share(overlap: float, hop: int) -> None:
    assert SamplePreparer(spec(1, 100, 2), SampleOptions(sound=False, overlap=overlap)).wanted.hop == hop


def test_each_channel_is_scaled_by_its_own_numbers() -> None:
    prepare = SamplePreparer(spec(1, 2, 2), SampleOptions(sound=False, mean=(1.0, 10.0), std=(2.0, 5.0)))
    tensor, _ = prepare(window([[3, 20], [1, 10]]))
    np.testing.assert_array_equal(tensor, [[[1, 2], [0, 0]]])


def test_readings_are_stored_as_the_input_is_quantised() -> None:
    prepare = SamplePreparer(spec(1, 2, 1, dtype=np.int8, scale=0.5, zero_point=-3), SampleOptions(sound=False))
    tensor, _ = prepare(window([[1.0], [1000.0]]))
    assert tensor.dtype == np.int8
    np.testing.assert_array_equal(tensor.reshape(-1), [-1, 127])


def test_the_named_channels_are_taken_in_the_order_of_the_model() -> None:
    prepare = SamplePreparer(spec(1, 1, 2), SampleOptions(sound=False, channels=("z", "x")))
    tensor, _ = prepare(window([[1, 2, 3]], "x", "y", "z"))
    assert tensor.reshape(-1).tolist() == [3, 1]


def test_a_channel_that_is_not_there_is_named_with_those_that_are() -> None:
    prepare = SamplePreparer(spec(1, 1, 2), SampleOptions(sound=False, channels=("x", "temp")))
    with pytest.raises(InputError, match="no channel temp; pump has x, y"):
        prepare(window([[1, 2]], "x", "y"))


def test_several_channels_of_sound_become_one() -> None:
    tensor, _ = SamplePreparer(spec(1, 2), SampleOptions(sound=True))(window([[0.0, 1.0], [0.5, -0.5]]))
    assert tensor.reshape(-1).tolist() == [0.5, 0.0]


def test_a_window_of_another_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(InputError, match="window of 3 samples of 1 channels, the model takes 2 of 2"):
        SamplePreparer(spec(1, 2, 2), SampleOptions(sound=False))(window([[1], [2], [3]]))


def test_a_picture_is_no_window() -> None:
    picture = Frame("door", 0, np.zeros((4, 4, 3), np.uint8), 0.0, 0)
    with pytest.raises(InputError, match="this is a picture"):
        SamplePreparer(spec(1, 2, 2), SampleOptions(sound=False))(picture)


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((1, 4, 4, 3), {"sound": False}, "samples need"),
        ((1,), {"sound": True}, "prepare: {window: N}"),
        ((1, 4, 2), {"sound": False, "std": (0.0,)}, "divide by zero"),
        ((1, 4, 2), {"sound": False, "mean": (1.0, 2.0, 3.0)}, "takes 2 channels, but there are 3 values for mean"),
        ((1, 4, 2), {"sound": False, "mean": (float("nan"),)}, "mean"),
    ],
)
def test_what_cannot_be_is_refused(shape: tuple[int, ...], options: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said.replace("{", r"\{").replace("}", r"\}")):
        SamplePreparer(spec(*shape), SampleOptions(**options))
