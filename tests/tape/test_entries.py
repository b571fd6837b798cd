"""What is recorded comes back bit for bit."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_infer.tape.entries import Kept, array_of, encode, packed_array, tree
from edge_infer.types import Anomaly, Array, Classes, Detections, Frame, Span, Tensors

ANY = hnp.arrays(
    st.sampled_from([np.dtype(name) for name in ("bool", "uint8", "int8", "int64", "float32", "float64", "float16")]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
)
PICTURES = hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)))


def same(one: Array, other: Array) -> bool:
    return (one.shape, one.dtype, one.tobytes()) == (other.shape, other.dtype, other.tobytes())


@given(array=ANY | PICTURES, quickly=st.booleans())
def test_any_array_is_the_same_bit_for_bit(array: Array, quickly: bool) -> None:
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(packed_array(array, quickly=quickly)))
    assert same(array_of(packed), array)


def test_a_part_of_a_picture_is_kept_as_it_is_seen() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)[::2, 10:50, ::-1]
    assert same(array_of(packed_array(picture)), np.ascontiguousarray(picture))


@pytest.mark.parametrize(
    ("array", "how", "share"),
    [
        (np.zeros((480, 640, 3), np.uint8), "png", 0.01),
        ((np.sin(np.arange(16000)) * 1000).round().astype(np.float32)[:, None] / 32768, "planes", 0.7),
        (np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8), "raw", 1.0),
    ],
)
def test_what_can_be_made_smaller_is(array: Array, how: str, share: float) -> None:
    packed = packed_array(array)
    assert packed["how"] == how
    assert len(packed["content"]) <= array.nbytes * share


def test_a_frame_of_samples_comes_back_with_all_that_it_says() -> None:
    span = Span(960, 4, 10.0, ("x", "y"), ("m/s²", ""), 1)
    frame = Frame("shed", 7, np.array([[1, np.nan]] * 4, np.float32), 1.5, 2, "a.csv", span, 0.25)
    kept = Kept(
        place=3,
        source=frame.source,
        number=frame.number,
        captured_at=frame.captured_at,
        captured_ns=frame.captured_ns,
        data=packed_array(frame.data),
        result={},
        path=frame.path,
        span=frame.span,
        media_s=frame.media_s,
    )
    again = msgspec.msgpack.decode(encode(kept), type=Kept)
    back = again.frame()
    assert same(back.data, frame.data)
    for name in ("source", "number", "captured_at", "captured_ns", "path", "span", "media_s"):
        assert getattr(back, name) == getattr(frame, name)
    assert again.place == 3


def test_each_prediction_says_what_it_is() -> None:
    boxes = np.array([[1, 2, 3, 4]], np.float32)
    detail = Classes(np.array([3]), np.array([0.5], np.float32), ("cat",))
    assert tree(Anomaly(0.25, np.float32(0.5))) == {"type": "Anomaly", "score": 0.25, "threshold": 0.5}
    found = tree(Detections(boxes, np.array([0.5], np.float32), np.array([7]), ("dog",), details=(detail,)))
    assert found["type"] == "Detections"
    assert found["details"][0]["type"] == "Classes"
    assert same(array_of(found["boxes"]), boxes)
    heat = np.array([np.nan, -0.0], np.float32)
    assert same(array_of(tree(Tensors({"heat": heat}))["values"]["heat"]), heat)
