"""`scripts/bench-shares`: what it counts; the table is in docs/tuning.md."""

from pathlib import Path

import pytest
from bench_shares.__main__ import jain, measure

from edge_infer.tools.local_broker import find_mosquitto

FACES = Path(__file__).resolve().parents[2] / "models/face-detection"


@pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto: apt install mosquitto")
def test_the_cpu_time_of_each_pipelines_inference_is_counted() -> None:
    shares = measure([FACES, FACES], 0.3, None)
    assert [share.pipeline for share in shares] == ["p0", "p1"]
    assert sum(share.infer_share for share in shares) == pytest.approx(1.0)
    assert all(0 < share.infer_cpu_s <= share.cpu_s and share.fps > 0 for share in shares)


def test_jains_index_is_one_where_all_have_the_same() -> None:
    assert jain([2.0, 2.0, 2.0]) == pytest.approx(1.0)
    assert jain([1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
