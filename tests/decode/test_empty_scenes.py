"""What is said of a scene without objects does not depend on what was seen before."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from bench_decode.cases import Case, cases

from edge_infer.types import Prediction


def pairs() -> Iterator[tuple[Case, Case]]:
    """The same decoder and type, without objects and with five."""
    found = sorted((case for case in cases() if "," in case.name), key=lambda case: case.name)
    yield from ((one, two) for one, two in pairwise(found) if two.name == one.name.replace(", 0 ", ", 5 ") != one.name)


def same(one: Prediction, two: Prediction) -> None:
    assert type(one) is type(two)
    for name in one.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


PAIRS = list(pairs())


@pytest.mark.parametrize(("empty", "busy"), PAIRS, ids=[empty.name.partition(",")[0] for empty, _ in PAIRS])
def test_an_empty_scene_is_the_same_before_and_after_a_busy_one(empty: Case, busy: Case) -> None:
    seen = busy.decode(busy.outputs, busy.geometry)
    assert len(seen)  # type: ignore[arg-type]  # detections
    nothing = empty.decode(empty.outputs, empty.geometry)  # a decoder that has seen nothing else
    assert not len(nothing)  # type: ignore[arg-type]
    for _ in range(2):
        same(busy.decode(empty.outputs, empty.geometry), nothing)
    same(busy.decode(busy.outputs, busy.geometry), seen)
