"""Models that answer nonsense."""

from pathlib import Path

import numpy as np
import pytest
from tflite_writer import write_answers

import edge_infer

PICTURE = np.zeros((20, 30, 3), np.uint8)


@pytest.mark.parametrize("value", [np.nan, -np.nan])
def test_an_output_that_is_not_a_number_is_no_answer(tmp_path: Path, value: float) -> None:
    scores = np.array([[0.1, value, 0.8]], np.float32)
    path = write_answers(tmp_path / "m.tflite", {"scores": scores}, size=(8, 8))
    with edge_infer.load(path, kind="classify", mean=0, std=255) as model:
        result = model(PICTURE)
    assert (result.status, result.prediction) == ("error", None)
    assert result.error == ("the model's output 'scores' is not a number (NaN): its weights or its input are broken")


def test_raw_tensors_are_given_as_they_are(tmp_path: Path) -> None:
    path = write_answers(tmp_path / "m.tflite", {"x": np.array([[np.nan, 1]], np.float32)}, size=(8, 8))
    with edge_infer.load(path, kind="tensors", mean=0, std=255) as model:
        result = model(PICTURE)
    assert result.status == "ok"
    ((_, values),) = result
    assert np.isnan(values[0, 0])
    assert values[0, 1] == 1


def test_what_is_reduced_is_looked_at_before(tmp_path: Path) -> None:
    logits = np.zeros((1, 16, 16, 3), np.float32)
    logits[0, 3, 4, 1] = np.nan
    path = write_answers(tmp_path / "m.tflite", {"map": logits}, size=(16, 16))
    with edge_infer.load(path, kind="segment", mean=0, std=255) as model:
        result = model(PICTURE)
    assert (result.status, result.prediction) == ("error", None)
    assert "'map' is not a number" in str(result.error)
