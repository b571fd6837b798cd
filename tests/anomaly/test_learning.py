"""What is learned from features, in floating point and in int8."""

from pathlib import Path

import numpy as np
import pytest

from edge_infer.bundle.manifest import Prepare
from edge_infer.bundle.model_file import read_model
from edge_infer.errors import InputError
from edge_infer.runtime.interpreter import InterpreterRuntime
from edge_infer.tools.fit_anomaly.graph import BLOCK, BLOCKS, picture_features, picture_scorer, ranges_of
from edge_infer.tools.fit_anomaly.learning import exact_scores, int8_scores, outcome
from edge_infer.tools.fit_anomaly.normal import learn
from edge_infer.tools.fit_anomaly.views import Features
from edge_infer.types import Array


def correlated(count: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).standard_normal((20, 20))
    return rng.standard_normal((count, 20)) @ mixing + 100.0


def features(values: Array) -> Features:
    return Features(values, np.maximum(values.std(axis=0), 1e-6), Prepare())


def test_the_int8_model_says_what_floating_point_says() -> None:
    values = correlated(400)
    one = outcome(features(values), 1.0, 24.0, quantised=True)
    unusual = correlated(100, seed=1) + np.random.default_rng(2).normal(0, 3.0, (100, 20))
    exact, stored = (score(unusual) for score in (
        lambda rows: exact_scores(one.learned, rows), lambda rows: int8_scores(one.learned, one.ranges, rows)
    ))  # fmt: skip
    assert stored == pytest.approx(exact, rel=0.2)
    assert np.corrcoef(np.log(exact), np.log(stored))[0, 1] > 0.99


def test_one_direction_alone_can_reach_the_threshold() -> None:
    one = outcome(features(correlated(400)), 1.0, 1.0, quantised=True)
    far = one.learned.mean + 1e6 * one.learned.scale * one.learned.directions[-1]
    assert int8_scores(one.learned, one.ranges, far[np.newaxis])[0] >= one.threshold.score


def test_the_parts_follow_each_other_and_alarms_are_counted_in_the_last() -> None:
    values = correlated(200)
    values[180:] += 1000.0
    one = outcome(features(values), 10.0, 24.0, quantised=True)
    assert one.counts == (100, 60, 40)
    assert one.alarms == 20
    assert one.rate[0] > 24.0


def test_too_little_is_not_learned_from() -> None:
    with pytest.raises(InputError, match="99 frames or windows were recorded, at least 100"):
        outcome(features(correlated(99)), 1.0, 1.0, quantised=True)


@pytest.mark.parametrize(("value", "said"), [(np.nan, "no numbers"), (100.0, "never changes")])
def test_what_is_broken_is_not_learned_from(value: float, said: str) -> None:
    values = correlated(200)
    values[100:] = value
    with pytest.raises(InputError, match=said):
        outcome(Features(values, np.ones(20), Prepare()), 1.0, 1.0, quantised=False)


def test_the_graph_sees_pictures_as_numpy_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    side = BLOCK * BLOCKS
    pictures = rng.integers(0, 256, (120, BLOCKS, BLOCKS), np.uint8).repeat(BLOCK, 1).repeat(BLOCK, 2)
    values = np.stack([picture_features(picture) for picture in pictures])
    learned = learn(values, np.full(BLOCKS**2, values.std()))
    path = tmp_path / "m.tflite"
    path.write_bytes(picture_scorer(learned, ranges_of(learned, values, 10.0)))
    runtime = InterpreterRuntime(read_model(path))
    tried = [*pictures[:3], np.full((side, side), 77, np.uint8), np.zeros((side, side), np.uint8)]
    found = [float(runtime.run([picture.reshape(1, side, side, 1)])[0][0]) for picture in tried]
    runtime.close()
    expected = exact_scores(learned, np.stack([picture_features(picture) for picture in tried]))
    assert found == pytest.approx(expected.tolist(), rel=0.15)


def test_less_light_and_less_contrast_change_nothing() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (16, 16)).repeat(8, 0).repeat(8, 1)
    assert picture_features(0.6 * picture + 20) == pytest.approx(picture_features(picture), abs=0.001)
