"""Golden tests of anomaly scores: how far they may be off."""

from pathlib import Path

import pytest

from edge_infer.bundle.manifest import Decode, Golden
from edge_infer.golden.anomaly import ANOMALY
from edge_infer.golden.comparison import Limits
from edge_infer.types import Anomaly

LIMITS = Limits(Golden(file=Path("golden.npz"), compare="anomaly"), Decode(), (0, 0))


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (21.9, 20.0, True),
        (22.1, 20.0, False),
        (0.7, 0.4, True),  # by the threshold: both are normal
        (0.85, 0.4, False),
        (float("nan"), 20.0, False),
    ],
)
def test_a_score_may_be_off_by_a_part_of_itself_or_of_the_threshold(found: float, expected: float, same: bool) -> None:
    kept = ANOMALY.restore(ANOMALY.record(Anomaly(expected, 4.0)))
    assert kept == Anomaly(expected, 4.0)
    assert (ANOMALY.differences(Anomaly(found, 4.0), kept, LIMITS) == []) is same
