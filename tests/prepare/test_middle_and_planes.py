"""The middle of a picture, and inputs with their channels first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.prepare.image import ImageOptions, ImagePreparer
from edge_infer.types import Array, Size, TensorSpec


def preparer(shape: tuple[int, ...], dtype: type = np.uint8, **options: object) -> ImagePreparer:
    return ImagePreparer(TensorSpec("image", shape, np.dtype(dtype)), ImageOptions(**options))


def picture(width: int, height: int) -> Array:
    return np.random.default_rng(width * 100 + height).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("size", "origin"), [((30, 10), (10, 0)), ((10, 31), (0, 10)), ((10, 10), (0, 0)), ((11, 10), (0, 0))]
)
def test_the_middle_is_as_wide_or_as_high_as_the_picture(size: Size, origin: tuple[int, int]) -> None:
    image = picture(*size)
    tensor, geometry = preparer((1, 10, 10, 3), resize="crop", color="bgr")(image)
    assert tensor[0].tolist() == image[origin[1] : origin[1] + 10, origin[0] : origin[0] + 10].tolist()
    assert geometry.origin == origin
    assert geometry.to_frame(np.float32([[0, 0, 10, 10]]))[0].tolist() == [*origin, origin[0] + 10, origin[1] + 10]


side = st.integers(1, 40)


@given(st.tuples(side, side), st.tuples(side, side))
def test_the_middle_of_any_picture_lies_in_it(size: Size, input_size: Size) -> None:
    tensor, geometry = preparer((1, input_size[1], input_size[0], 3), resize="crop")(picture(*size))
    assert tensor.shape == (1, input_size[1], input_size[0], 3)
    assert geometry.crop is not None
    for axis in (0, 1):
        left = geometry.origin[axis]
        right = size[axis] - left - geometry.crop[axis]
        assert left >= 0
        assert right - left in (0, 1)


def test_the_middle_is_that_of_the_region_of_interest() -> None:
    _, geometry = preparer((1, 10, 10, 3), resize="crop", roi=(5, 2, 35, 12))(picture(60, 40))
    assert geometry.origin == (15, 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_channels_come_first_where_the_input_has_them_so(dtype: type, resize: str) -> None:
    options = {"resize": resize, "mean": (1.0, 2.0, 3.0), "std": (2.0, 2.0, 2.0)} if dtype is np.float32 else {}
    image = picture(20, 9)
    last, geometry = preparer((1, 6, 8, 3), dtype, **options)(image)
    first, same = preparer((1, 3, 6, 8), dtype, **options)(image)
    assert first.tolist() == np.moveaxis(last, -1, 1).tolist()
    assert first.shape == (1, 3, 6, 8)
    assert same == geometry


def test_three_rows_of_three_channels_are_channels_last() -> None:
    image = picture(8, 3)
    assert preparer((1, 3, 8, 3), color="bgr")(image)[0][0].tolist() == image.tolist()
