"""What the first result of a new process has waited for."""

import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge_infer import starting
from edge_infer.health.process import age_s
from edge_infer.starting import STAGES, Starting
from edge_infer.types import Frame, ModelId, Result

PICTURE = np.zeros((4, 4, 3), np.uint8)


def frame_of(second: float) -> Frame:
    return Frame("door", 0, PICTURE, 0.0, round(second * 1e9))


def result_of(frame: Frame) -> Result:
    return Result.of(frame, task="tensors", model=ModelId("m", "1", ""), device="cpu", prediction=None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the monotonic clock will show, one at a time; the process began at 100."""
    seconds: list[float] = []
    monkeypatch.setattr(starting, "time", SimpleNamespace(monotonic=lambda: seconds.pop(0)))
    monkeypatch.setattr(starting, "age_s", lambda: 1.5)
    return seconds


def begun(clock: list[float], later: Iterable[float], *pipelines: str) -> Starting:
    clock[:] = [101.5, *later]
    return Starting(pipelines)


def test_each_stage_lasts_from_the_end_of_the_one_before(clock: list[float]) -> None:
    start = begun(clock, (101.6, 102.0, 102.5, 103.5), "door")
    start.daemon_runs()
    assert start.timed("door", "model", lambda: "the model")() == "the model"
    assert start.timed("door", "source", lambda: "the source")() == "the source"
    start("door", frame_of(103.25), result_of(frame_of(103.25)))
    took = start.first_results["door"]
    assert list(took) == [*STAGES, "total"]
    assert list(took.values()) == [1.5, 0.1, 0.4, 0.5, 0.75, 0.25, 3.5]


def test_what_went_on_beside_another_stage_has_taken_no_time(clock: list[float]) -> None:
    start = begun(clock, (101.6, 101.7, 102.0, 103.0), "door")
    start.daemon_runs()
    start.timed("door", "source", lambda: None)()
    start.timed("door", "model", lambda: None)()
    start("door", frame_of(101.9), result_of(frame_of(101.9)))
    took = start.first_results["door"]
    assert [took[stage] for stage in ("model", "source", "frame", "result", "total")] == [0.4, 0.0, 0.0, 1.0, 3.0]


def test_a_model_that_is_loaded_once_more_counts_no_more(clock: list[float]) -> None:
    start = begun(clock, (101.6, 102.0, 104.0, 105.0), "door")
    start.daemon_runs()
    load = start.timed("door", "model", lambda: None)
    load()
    load()
    start("door", frame_of(102.5), result_of(frame_of(102.5)))
    assert start.first_results["door"]["model"] == 0.4


def test_only_the_first_result_of_each_pipeline_is_told(caplog: pytest.LogCaptureFixture) -> None:
    start = Starting(["door", "gate"])
    frame = frame_of(time.monotonic())
    with caplog.at_level(logging.INFO, "edge_infer.starting"):
        for pipeline in ("door", "gate", "door", "added by a reload"):
            start(pipeline, frame, result_of(frame))
        assert not caplog.records  # a thread that gives results does not wait for who reads the log
        start.tell()
        start.tell()
    assert [vars(record)["pipeline"] for record in caplog.records] == ["door", "gate"]
    assert set(start.first_results) == {"door", "gate"}


def test_a_process_is_younger_than_its_parent() -> None:
    parent = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()
    parent_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(parent[19]) / os.sysconf("SC_CLK_TCK")
    assert 0 < age_s() <= parent_s
