"""Frames of a file are made ready while the model is busy; that changes nothing but the time."""

import threading
from pathlib import Path

import numpy as np
import pytest
from waiting import until

from edge_infer.ahead import AHEAD_BYTES, MOST_AHEAD, Ahead
from edge_infer.intake import Intake
from edge_infer.loading import load
from edge_infer.pipeline import Pipeline
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Frame, Result

MODEL = Path(__file__).parents[1] / "models/face-detection"


class Pictures(BaseSource):
    """Pictures of several sizes, of which one is none."""

    def __init__(self, *, live: bool = False) -> None:
        super().__init__("pictures", live=live)
        noise = np.random.default_rng(5)
        sides = [(120, 160), (120, 160), (90, 50), (200, 300), (200, 300)]
        self.pictures = [noise.integers(0, 256, (*side, 3), np.uint8) for side in sides]
        self.pictures.insert(3, np.zeros((8, 8, 3), np.float32))
        self._number = -1

    def read(self) -> Frame:
        self._number += 1
        if self._number >= len(self.pictures):
            raise EndOfStream
        return Frame(self.name, self._number, self.pictures[self._number], *clocks())

    def close(self) -> None:
        """There is nothing to close."""


@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_made_ready_ahead_gets_the_same_answers(workers: int) -> None:
    published: list[Result] = []
    pipeline = Pipeline(
        "door",
        Pictures,
        lambda: load(MODEL, device="cpu", resize="letterbox"),
        lambda result, _name: published.append(result),
        workers=workers,
    )
    pipeline.start()
    until(lambda: pipeline.ended)
    pipeline.stop()
    assert pipeline.join(20.0)
    with load(MODEL, device="cpu", resize="letterbox") as model:
        pictures = Pictures().pictures
        for result in published:
            if result.number == 3:
                assert result.status == "error"
                assert "float32" in str(result.error)
                continue
            alone = model(pictures[result.number])
            assert np.array_equal(result.prediction.boxes, alone.prediction.boxes)
            assert result.size == alone.size
    assert [result.number for result in published] == list(range(6))


def test_a_buffer_is_used_again_only_when_nobody_can_need_it_any_more() -> None:
    with load(MODEL, device="cpu") as model:
        ahead = Ahead(lambda: model, workers=2)
        frame = Frame("f", 0, np.zeros((10, 10, 3), np.uint8), *clocks())
        first = ahead(frame)
        buffers = ahead.depth(frame) + 1 + 2
        made = [first, *(ahead(frame) for _ in range(buffers))]
    addresses = [prepared.tensor.ctypes.data for prepared in made if prepared]
    assert len(set(addresses[:-1])) == buffers
    assert addresses[-1] == addresses[0]


def test_few_large_frames_wait_and_more_small_ones() -> None:
    ahead = Ahead(lambda: None, workers=1)
    sides = [(10, 10), (480, 640), (4000, 6000)]
    depths = [ahead.depth(Frame("f", 0, np.broadcast_to(np.uint8(0), (*side, 3)), *clocks())) for side in sides]
    assert depths == [MOST_AHEAD, AHEAD_BYTES // (480 * 640 * 3), 1]


def test_frames_of_a_live_source_are_not_made_ready_ahead_since_a_newer_one_may_come() -> None:
    asked: list[Frame] = []

    class Noted(Ahead):
        def __call__(self, frame: Frame) -> None:
            asked.append(frame)

    intake = Intake(60.0, ahead=Noted(lambda: None, 1))
    intake.feed(Pictures(live=True), threading.Event())
    assert asked == []
    intake = Intake(60.0, ahead=Noted(lambda: None, 1))
    feeding = threading.Thread(target=intake.feed, args=(Pictures(), threading.Event()))
    feeding.start()
    taken = [intake.take(20.0) for _ in range(6)]
    feeding.join(20.0)
    assert [frame.number for frame in asked] == list(range(6))
    assert [one.place for one in taken if one] == list(range(6))


def test_another_model_gets_inputs_of_its_own(tmp_path: Path) -> None:
    frame = Frame("f", 0, np.full((10, 10, 3), 77, np.uint8), *clocks())
    with load(MODEL, device="cpu") as first, load(MODEL, device="cpu", color="bgr") as second:
        present = [first]
        ahead = Ahead(lambda: present[0], workers=1)
        before = ahead(frame)
        assert before is not None
        assert first.engine.feed.takes(before)
        assert not second.engine.feed.takes(before)
        present[0] = second
        after = ahead(frame)
        assert after is not None
        assert second.engine.feed.takes(after)
