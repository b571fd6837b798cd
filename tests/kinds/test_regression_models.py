"""Models that estimate numbers, from the file to the measurements."""

from pathlib import Path
from typing import Any

import metadata_writer as written
import numpy as np
import pytest
from tflite_writer import write_answers

from edge_infer.errors import ModelError
from edge_infer.loading import load

GREY = np.full((16, 16, 3), 127, np.uint8)
AGE = written.tensor("age", description="years", minimum=0, maximum=120)
PLACE = written.tensor("place", description="where the hand is, in the picture", minimum=-1, maximum=1)
OUTPUTS = {"out_a": np.float32([[41.5]]), "out_b": np.float32([[0.25, -0.5]])}


def measured(path: Path, outputs: Any = OUTPUTS, options: Any = None, **parts: Any) -> list[tuple[str, float, str]]:
    write_answers(path, outputs, size=(8, 8), dtype="uint8", **parts)
    with load(path, **(options or {})) as model:
        result = model(GREY)
    assert result.task == "regress"
    return [(one.name, one.value, one.unit) for one in result]


def test_metadata_that_tells_names_and_ranges_is_a_regression(tmp_path: Path) -> None:
    found = measured(tmp_path / "m.tflite", metadata=written.metadata(outputs=[AGE, PLACE]))
    assert found == [("age", 41.5, "years"), ("place_0", 0.25, ""), ("place_1", -0.5, "")]


@pytest.mark.parametrize(
    "outputs",
    [
        [AGE, written.tensor("place")],  # no range
        [AGE, written.tensor("place", minimum=0, maximum=1)],  # the range of scores
        [AGE, written.tensor("", minimum=-1, maximum=1)],
        [AGE, written.tensor("place", minimum=-1, maximum=1, labels="labels.txt")],
        [AGE],
    ],
)
def test_what_may_be_classes_is_asked_about(tmp_path: Path, outputs: Any) -> None:
    with pytest.raises(ModelError, match="cannot be known from the file"):
        measured(tmp_path / "m.tflite", metadata=written.metadata(outputs=outputs), files={"labels.txt": "a\nb"})


def test_the_user_names_the_numbers(tmp_path: Path) -> None:
    said = {"kind": "regress", "names": ("age", "x", "y"), "units": ("years", "m", "m")}
    assert measured(tmp_path / "m.tflite", options=said)[1] == ("x", 0.25, "m")
    nothing = {"kind": "regress"}
    assert [name for name, _, _ in measured(tmp_path / "m.tflite", options=nothing)] == ["out_a", "out_b_0", "out_b_1"]
    signature = {"age": "out_a", "place": "out_b"}
    found = measured(tmp_path / "m.tflite", options=nothing, signature=signature)
    assert [name for name, _, _ in found] == ["age", "place_0", "place_1"]


def test_too_few_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the model estimates 3 numbers, and 1 names are given"):
        measured(tmp_path / "m.tflite", options={"kind": "regress", "names": ("age",)})


def test_quantised_numbers_are_real(tmp_path: Path) -> None:
    found = measured(
        tmp_path / "m.tflite", {"t": np.int8([[-28]])}, {"kind": "regress"}, output_scales={"t": (0.5, -128)}
    )
    assert found == [("t", 50.0, "")]
