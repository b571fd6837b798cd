"""A source, a model and a pipeline that do what a test says, when it says so."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
from waiting import DEADLINE, until

from edge_infer.engine import Said, finished
from edge_infer.pipeline import Pipeline
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Frame, ModelId, Result, Tensors

PICTURE = np.zeros((4, 6, 3), np.uint8)

# A frame's number, a frame, an error to raise, an event to wait for, something to do.
Step: TypeAlias = int | Frame | Exception | threading.Event | Callable[[], object]


def frame(number: int, age_s: float = 0.0) -> Frame:
    now, now_ns = clocks()
    return Frame("scripted", number, PICTURE, now - age_s, now_ns - int(age_s * 1e9))


class ScriptedSource(BaseSource):
    """Walks through `steps`, then ends; `closed` says whether it was closed."""

    def __init__(self, steps: Iterable[Step], *, live: bool) -> None:
        super().__init__("scripted", live=live)
        self.closed = False
        self._steps = iter(steps)

    def read(self) -> Frame:
        for step in self._steps:
            if isinstance(step, Frame):
                return step
            if isinstance(step, int):
                return frame(step)
            if isinstance(step, Exception):
                raise step
            if isinstance(step, threading.Event):
                assert step.wait(DEADLINE), "nobody went on with the script"
            else:
                step()
        raise EndOfStream

    def close(self) -> None:
        self.closed = True


class ScriptedModel:
    """Calls `act` with each frame, which may raise or wait; answers with an empty prediction."""

    id = ModelId("scripted", "1", "00")
    task = "tensors"
    device = "fake"
    wanted = None
    input_bytes = 72

    def __init__(
        self,
        act: Callable[[Frame], object] = lambda _frame: None,
        status: str = "ok",
        fallback_reason: str | None = None,
    ) -> None:
        self.status = status
        self.fallback_reason = fallback_reason
        self.heals = False
        self.limit_s: float | None = None
        self.closed = False
        self._act = act

    def preparer(self, buffers: int) -> None:
        return None

    def ask(self, frame: Frame, prepared: None = None) -> Said:
        return finished(self.predict(frame))

    def predict(self, frame: Frame) -> Result:
        started = time.perf_counter()
        self._act(frame)
        return Result.of(
            frame,
            task=self.task,
            model=self.id,
            device=self.device,
            prediction=Tensors({}),
            timings_ms={"infer": (time.perf_counter() - started) * 1e3},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True


class Harness:
    """A pipeline of scripted parts, and what it published."""

    def __init__(
        self,
        open_source: Callable[[], BaseSource] | BaseSource,
        load_model: Callable[[], Any] | Any = None,
        **options: Any,
    ) -> None:
        self.published: list[Result] = []
        model = load_model or ScriptedModel()
        self.pipeline = Pipeline(
            "door",
            open_source if callable(open_source) else lambda: open_source,
            model if callable(model) else lambda: model,
            lambda result, pipeline: self.published.append(result),
            **{"max_frame_age_s": 60.0, **options},
        )

    @property
    def numbers(self) -> list[int]:
        return [result.number for result in self.published]

    @property
    def drops(self) -> Counter[str]:
        return self.pipeline.intake.drops

    def stop(self) -> None:
        self.pipeline.stop()
        assert self.pipeline.join(DEADLINE)

    def run(self) -> "Harness":
        """Until the source has ended and all was worked through."""
        self.pipeline.start()
        until(lambda: self.pipeline.ended, DEADLINE)
        self.stop()
        self.assert_counts_add_up()
        return self

    def assert_counts_add_up(self) -> None:
        assert self.pipeline.intake.frames == self.pipeline.results + self.drops.total()
        assert self.pipeline.results == len(self.published)


def first(*steps: Callable[[], Any]) -> Callable[[], Any]:
    """Calls one step after the other, and the last one for ever."""
    waiting = list(steps)
    return lambda: (waiting.pop(0) if len(waiting) > 1 else waiting[0])()


def fail(error: Exception) -> Callable[[], Any]:
    def raise_it() -> Any:
        raise error

    return raise_it
