"""Which cells pass, against plain loops over real numbers."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode.yolo_find import find_layout
from edge_infer.decode.yolo_layout import Layout, Wanted, cells
from edge_infer.decode.yolo_select import select
from edge_infer.types import Array, TensorSpec

SIZE = (32, 32)
COUNT = cells(SIZE, (8, 16, 32))  # 21


def spec(shape: tuple[int, ...], dtype: Any, scale: float = 0.0, zero: int = 0, name: str = "out") -> TensorSpec:
    return TensorSpec(name, shape, np.dtype(dtype), (scale,) if scale else (), (zero,) if scale else ())


def slow(columns: Array, classes: int, min_score: float, *, objectness: bool) -> list[tuple[int, int, float]]:
    """(cell, class, score) of what passes, from real numbers `(channels, cells)`."""
    first = 5 if objectness else 4
    found = []
    for cell in range(columns.shape[1]):
        best, best_score = -1, -math.inf
        for class_id in range(classes):
            score = float(columns[first + class_id, cell])
            if score > best_score:
                best, best_score = class_id, score
        if objectness:
            best_score = float(np.float32(best_score) * columns[4, cell])
        if best_score >= np.float32(min_score):
            found.append((cell, best, min(best_score, 1.0)))
    return found


@st.composite
def outputs(draw: st.DrawFn) -> tuple[TensorSpec, Array, Layout, int, bool]:
    """One stored output of either order, type and family; values repeat, so that scores tie."""
    classes = draw(st.sampled_from([1, 2, 5]))
    objectness = draw(st.booleans())
    last = draw(st.booleans())
    channels = 4 + objectness + classes
    count = COUNT * (3 if objectness else 1)
    dtype, scale, zero = draw(
        st.sampled_from(
            [(np.int8, 1 / 200, -128), (np.uint8, 1 / 255, 0), (np.int16, 1 / 32768, 0), (np.float32, 0, 0)]
        )
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = random.uniform(0, 1, 8).astype(np.float32)
    real = random.choice(levels, (channels, count))
    output = spec((1, count, channels) if last else (1, channels, count), dtype, scale, zero)
    stored = output.stored(real)
    stored = np.ascontiguousarray(stored.T if last else stored)[None]
    layout = find_layout([output], Wanted("detect", SIZE, classes), "m")
    return output, stored, layout, classes, objectness


@given(outputs(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]))
def test_what_passes_is_what_plain_loops_find(made: tuple[Any, ...], min_score: float) -> None:
    output, stored, layout, classes, objectness = made
    columns = output.real(stored[0])
    columns = columns if stored.shape[1] == 4 + objectness + classes else columns.T
    expected = slow(columns, classes, min_score, objectness=objectness)
    found = select(layout.heads[0], [output], [stored], min_score)
    assert found.cells.tolist() == [cell for cell, _, _ in expected]
    assert found.class_ids.tolist() == [class_id for _, class_id, _ in expected]
    assert found.scores.tolist() == pytest.approx([score for _, _, score in expected])
    assert found.boxes.tolist() == columns[:4, found.cells].T.tolist()


@given(st.lists(st.sampled_from([math.nan, math.inf, -math.inf, 3e38]), min_size=1, max_size=9), st.integers(0, 2**32))
def test_what_is_no_number_is_never_found_and_hides_nothing_else(values: list[float], seed: int) -> None:
    random = np.random.default_rng(seed)
    real = random.uniform(0.5, 1.0, (7, COUNT)).astype(np.float32)
    broken = set()
    for value in values:
        channel, cell = int(random.integers(0, 7)), int(random.integers(0, COUNT))
        real[channel, cell] = value
        broken |= {cell}
    output = spec((1, 7, COUNT), np.float32)
    found = select(find_layout([output], Wanted("detect", SIZE, 3), "m").heads[0], [output], [real[None]], 0.25)
    assert np.isfinite(found.scores).all()
    assert np.isfinite(found.boxes).all()
    assert set(range(COUNT)) - broken <= set(found.cells.tolist())


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_logits_pass_where_their_sigmoid_would(dtype: Any) -> None:
    outs = [spec((1, COUNT, 64), np.float32, name="b"), spec((1, COUNT, 2), dtype, 0.05 * (dtype is np.int8), 3, "s")]
    logits = np.full((COUNT, 2), -5.0, np.float32)
    logits[4, 1], logits[5, 0], logits[6, 0] = 1.0, -1.2, -1.0  # scores .731, .231, .269
    stored = [np.zeros((1, COUNT, 64), np.float32), outs[1].stored(logits)[None]]
    head = find_layout(outs, Wanted("detect", SIZE), "m").heads[0]
    found = select(head, outs, stored, 0.25)
    assert found.cells.tolist() == [4, 6]
    assert found.class_ids.tolist() == [1, 0]
    assert found.scores.tolist() == pytest.approx([0.7311, 0.2689], abs=0.005)
    assert len(select(head, outs, stored, 0.0)) == COUNT
    assert len(select(head, outs, stored, 1.0)) == 0


def test_a_quantised_class_score_above_one_lifts_what_is_just_too_low() -> None:
    output = spec((1, 3 * COUNT, 6), np.uint8, 2 / 255)
    real = np.zeros((3 * COUNT, 6), np.float32)
    real[7, 4:] = 0.2, 2.0
    layout = find_layout([output], Wanted("detect", SIZE, 1), "m")
    found = select(layout.heads[0], [output], [output.stored(real)[None]], 0.25)
    assert found.cells.tolist() == [7]
    assert found.scores.tolist() == pytest.approx([0.4], abs=0.02)


def test_numbers_of_classes_that_cannot_be_are_left_out() -> None:
    output = spec((1, 300, 6), np.float32)
    real = np.zeros((300, 6), np.float32)
    real[:5, 4] = 0.9
    real[:5, 5] = [0.0, 999.2, -3.0, math.nan, 1e30]
    layout = find_layout([output], Wanted("detect", (640, 640)), "m")
    assert select(layout.heads[0], [output], [real[None]], 0.25).class_ids.tolist() == [0, 999]
