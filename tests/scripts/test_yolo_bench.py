import pytest
from bench_yolo.__main__ import SCENES, measure


@pytest.mark.parametrize(("dtype", "last"), [("int8", 0), ("float32", 1)])
def test_the_measured_scenes_hold_as_many_objects_as_they_say(dtype: str, last: int) -> None:
    for scene in ("none", "10", "300 apart"):
        row = measure(scene, dtype, last, rounds=1)
        assert row["objects"] == SCENES[scene][1]
        assert row["ms"] > 0
