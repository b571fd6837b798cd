"""What is written is read again, by our own reader and by the runtimes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.bundle import tflite_writing as tw
from edge_infer.bundle.flatbuffer import Flatbuffer, Schema
from edge_infer.bundle.flatbuffer_writing import flatbuffer
from edge_infer.bundle.model_check import check_model
from edge_infer.bundle.model_file import read_model
from edge_infer.runtime.interpreter import InterpreterRuntime
from edge_infer.types import TensorSpec

SCHEMA = Schema(
    {
        "Root": ("1", "2", "4", "8", "s", "[4]", "[8]", "Inner", "[Inner]", "1", "Either?"),
        "Inner": ("8", "4"),
        "Named": ("s",),
    },
    {"Either": {1: "Inner", 2: "Named"}},
)


@given(
    small=st.integers(-128, 127),
    large=st.integers(-(2**63), 2**63 - 1),
    real=st.floats(width=32, allow_nan=False),
    text=st.text(max_size=40),
    numbers=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=9),
    inner=st.lists(st.integers(0, 2**32 - 1), max_size=5),
)
def test_all_kinds_of_fields_come_back(
    small: int, large: int, real: float, text: str, numbers: list[int], inner: list[int]
) -> None:
    data = flatbuffer(
        SCHEMA,
        "Root",
        {
            0: small,
            2: float(real),
            3: large,
            4: text,
            5: np.array(numbers, np.int32),
            6: np.array(numbers, np.int64),
            8: [{0: value, 1: value % 7} for value in inner],
            9: 2,
            10: {0: text},
        },
        b"TEST",
    )
    assert data[4:8] == b"TEST"
    root = Flatbuffer(data, "written").root()
    root.verify(SCHEMA, "Root")
    assert (root.integer(0, "b"), root.integer(1, "H", 5), root.integer(3, "q")) == (small, 5, large)
    assert (root.real(2), root.string(4)) == (real, text.encode().decode("utf-8", "replace"))
    assert root.integers(5) == root.integers(6, "q") == tuple(numbers)
    assert root.table(7) is None
    assert [(table.integer(0, "Q"), table.integer(1, "I")) for table in root.tables(8)] == [(v, v % 7) for v in inner]
    named = root.table(10)
    assert named
    assert named.string(0) == root.string(4)


def test_a_graph_runs(tmp_path: Path) -> None:
    graph, real = tw.Graph(), np.dtype(np.float32)
    given_values = graph.tensor(TensorSpec("given", (1, 3), real))
    twice = graph.constant("twice", np.full((1, 3), 2, real))
    doubled = graph.add(tw.Op(tw.MUL, [given_values, twice], "doubled"), TensorSpec("doubled", (1, 3), real))
    stored = graph.add(
        tw.Op(tw.QUANTIZE, [doubled], "stored"), TensorSpec("stored", (1, 3), np.dtype(np.int8), (0.5,), (3,))
    )
    path = tmp_path / "m.tflite"
    path.write_bytes(tw.model_bytes(graph, [given_values], [doubled, stored], "doubles"))
    check_model(Flatbuffer(path.read_bytes(), "written"))
    model = read_model(path)
    assert model.outputs[1].scale == (0.5,)
    runtime = InterpreterRuntime(model)
    doubles, quantised = runtime.run([np.array([[1.0, -2.0, 500.0]], np.float32)])
    runtime.close()
    assert doubles.tolist() == [[2.0, -4.0, 1000.0]]
    assert quantised.tolist() == [[7, -5, 127]]


@pytest.mark.parametrize("sides", [1, 3, 17])
def test_constants_lie_where_runtimes_may_read_them_at_once(sides: int) -> None:
    graph = tw.Graph()
    graph.constant("odd", np.zeros(sides, np.int8))
    even = graph.constant("even", np.arange(4, dtype=np.float32))
    data = tw.model_bytes(graph, [], [even], "")
    assert data.index(np.arange(4, dtype=np.float32).tobytes()) % 16 == 0
