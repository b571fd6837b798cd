"""How long a new process took until the first result of each of its pipelines, and what the time went into."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from edge_infer.health.process import age_s
from edge_infer.types import Frame, Result

log = logging.getLogger(__name__)

T = TypeVar("T")
# One after the other: the program is loaded and configured, the daemon's threads run, the model can be asked, the
# source is open, the first frame was captured, its result is published.
STAGES = ("program", "daemon", "model", "source", "frame", "result")


class Starting:
    """Is told by any thread when a stage is over; of each pipeline that the process begins with.

    Attributes:
        first_results: seconds of each stage, and of all until its first result ("total"), by pipeline
    """

    def __init__(self, pipelines: Iterable[str]) -> None:
        """The program is loaded."""
        self.first_results: dict[str, Mapping[str, float]] = {}
        now = time.monotonic()
        self._began = now - age_s()
        self._ends = {name: {"program": now} for name in pipelines}
        self._untold: deque[str] = deque()

    def daemon_runs(self) -> None:
        """All of the daemon but its pipelines is there."""
        for ends in self._ends.values():
            ends["daemon"] = time.monotonic()

    def timed(self, pipeline: str, stage: str, act: Callable[[], T]) -> Callable[[], T]:
        """The same function; when it has first come back, this stage is over."""
        ends = self._ends.get(pipeline, {})

        def timed() -> T:
            made = act()
            ends.setdefault(stage, time.monotonic())
            return made

        return timed

    def __call__(self, pipeline: str, frame: Frame, _result: Result) -> None:
        """A result was published; the first one counts."""
        ends = self._ends.pop(pipeline, None)
        if ends is None:
            return
        ends |= {"frame": frame.captured_ns / 1e9, "result": time.monotonic()}
        reached, took = self._began, {}
        for stage in STAGES:
            end = max(reached, ends.get(stage, reached))  # what went on beside another stage has taken no time
            took[stage] = round(end - reached, 3)
            reached = end
        self.first_results[pipeline] = {**took, "total": round(reached - self._began, 3)}
        self._untold.append(pipeline)

    def tell(self) -> None:
        """Log what is new; for the main loop: whoever writes a log may have to wait."""
        while self._untold:
            pipeline = self._untold.popleft()
            took = {f"{stage}_s": seconds for stage, seconds in self.first_results[pipeline].items()}
            log.info("first result", extra={"pipeline": pipeline, **took})
