"""Anomaly scores: those of a model, and those of embeddings."""

import numpy as np
import pytest

from edge_infer.decode.anomaly import AnomalyDecoder, Normal
from edge_infer.testing import check_decoder
from edge_infer.tools.fit_anomaly.normal import RIDGE, learn
from edge_infer.types import Anomaly, Geometry, TensorSpec

NOWHERE = Geometry((0, 0), (0, 0))
SCORE = TensorSpec("score", (1,), np.dtype(np.float32))


@pytest.mark.parametrize(("score", "unusual"), [(2.49, False), (2.5, True), (99.0, True)])
def test_what_reaches_the_threshold_is_an_anomaly(score: float, unusual: bool) -> None:
    found = AnomalyDecoder(SCORE, 2.5)([np.float32([score])], NOWHERE)
    assert found == Anomaly(pytest.approx(score), 2.5)
    assert found.is_anomaly is unusual


def test_a_quantised_score_is_a_real_one() -> None:
    spec = TensorSpec("score", (1, 1), np.dtype(np.int8), (0.25,), (-128,))
    assert AnomalyDecoder(spec, 1.0)([np.int8([[-118]])], NOWHERE).score == 2.5


def test_statistics_give_the_distance_that_the_whole_covariance_gives() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((500, 12)) @ rng.standard_normal((12, 12))
    learned = learn(values, np.full(12, 2.0))
    covariance = np.cov(values.T / 2.0, bias=True) + RIDGE * np.eye(12)
    for row in values[:5] * 3:
        away = (row - values.mean(axis=0)) / 2.0
        expected = away @ np.linalg.inv(covariance) @ away / 12
        assert learned.compact().score(row) == pytest.approx(expected, rel=1e-4)
        assert np.mean((learned.whitening() @ away) ** 2) == pytest.approx(expected, rel=1e-6)


def test_embeddings_are_looked_at_whatever_their_length() -> None:
    normal = Normal(np.float32([1, 0]), np.float32([0.1, 0.1]), np.zeros((1, 2), np.float32), 0.5)
    spec = TensorSpec("embedding", (1, 2), np.dtype(np.float32))
    decoder = AnomalyDecoder(spec, 1.0, normal)
    assert decoder([np.float32([[7, 0]])], NOWHERE).score == pytest.approx(0.0)
    assert decoder([np.float32([[0, 7]])], NOWHERE).score == pytest.approx((100 + 100) / (0.5 * 2))
    check_decoder(lambda: AnomalyDecoder(spec, 1.0, normal), [np.float32([[3, 4]])], NOWHERE)
    check_decoder(lambda: AnomalyDecoder(SCORE, 1.0), [np.float32([0.3])], NOWHERE)
