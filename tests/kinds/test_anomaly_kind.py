"""Models of the kind anomaly: what they must be told."""

from pathlib import Path

import numpy as np
import pytest
from tflite_writer import write_answers

from edge_infer.decode.anomaly import Normal
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.kinds.normal_file import normal_bytes, read_normal
from edge_infer.loading import load
from edge_infer.types import Anomaly

NORMAL = Normal(np.zeros(3, np.float32), np.ones(3, np.float32), np.zeros((1, 3), np.float32), 0.1)
PICTURE = np.zeros((4, 4, 3), np.uint8)


def score_model(folder: Path, values: list[float]) -> Path:
    return write_answers(
        folder / "m.tflite", {"score": np.array([values], np.float32)}, size=(4, 4), dtype="uint8", scale=1.0
    )


def test_a_score_and_a_threshold_are_an_anomaly(tmp_path: Path) -> None:
    with load(score_model(tmp_path, [3.5]), kind="anomaly", threshold=2.0) as model:
        assert model.task == "anomaly"
        assert model(PICTURE).prediction == Anomaly(3.5, 2.0)


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        ([3.5], {}, "decode: {threshold"),
        ([3.5, 1.0], {"threshold": 2.0}, "is one number, .* gives 2"),
    ],
)
def test_what_is_missing_is_asked_for(
    tmp_path: Path, values: list[float], options: dict[str, float], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        load(score_model(tmp_path, values), kind="anomaly", **options)


def test_statistics_stay_with_their_model(tmp_path: Path) -> None:
    path = tmp_path / "normal.npz"
    path.write_bytes(normal_bytes(NORMAL, ("another",)))
    with pytest.raises(ModelError, match="of another model"):
        load(score_model(tmp_path, [0.0, 3.0, 4.0]), kind="anomaly", threshold=2.0, statistics=path)


def test_statistics_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "normal.npz"
    path.write_bytes(normal_bytes(NORMAL, ("a", "b")))
    found, models = read_normal(path)
    assert models == ("a", "b")
    assert found.ridge == 0.1
    assert found.score(np.float32([1, 1, 1])) == pytest.approx(10.0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        normal_bytes(Normal(NORMAL.mean, NORMAL.scale[:2], NORMAL.components, 0.1), ()),
        normal_bytes(Normal(NORMAL.mean, NORMAL.scale * np.nan, NORMAL.components, 0.1), ()),
        normal_bytes(Normal(NORMAL.mean, NORMAL.scale * 0, NORMAL.components, 0.1), ()),
        normal_bytes(NORMAL, ())[:-40],
    ],
)
def test_damaged_statistics_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "normal.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="holds no statistics, or is damaged"):
        read_normal(path)


def test_missing_statistics_say_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="fit anomaly"):
        read_normal(tmp_path / "normal.npz")
