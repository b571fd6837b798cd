"""Pictures of one pipeline, with the predictions drawn on them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from edge_infer.draw import draw, encode_jpeg
from edge_infer.errors import UnavailableError
from edge_infer.types import Frame, Result

WAIT_S = 5.0  # for the picture that somebody asked for


class Snapshots:
    """Publishes a picture at most every `period_s` seconds, and the next one where it was asked for.

    Called with each frame and its result by the threads that infer; all else is for one other thread.
    """

    def __init__(self, publish: Callable[[bytes], object], period_s: float | None) -> None:
        self.period_s = period_s
        self._publish = publish
        self._lock = threading.Lock()
        self._due = 0.0
        self._asked: list[tuple[float, Future[object]]] = []  # until when, and who

    def __call__(self, frame: Frame, result: Result) -> None:
        """Publish this picture, if one is due."""
        with self._lock:
            asked, self._asked = self._asked, []
            if not asked and (self.period_s is None or time.monotonic() < self._due):
                return
            self._due = time.monotonic() + (self.period_s or 0.0)
        picture = encode_jpeg(draw(frame.data, result))
        self._publish(picture)
        for _, future in asked:
            future.set_result({"bytes": len(picture)})

    def ask(self) -> "Future[object]":
        """Publish the next picture, whatever the period; says then how large it is."""
        future: Future[object] = Future()
        with self._lock:
            self._asked.append((time.monotonic() + WAIT_S, future))
        return future

    def refuse(self, why: str | None, *, all_of_them: bool = False) -> None:
        """Tell those that have waited too long, or everybody, that there is none."""
        now = time.monotonic()
        with self._lock:
            late = [future for until, future in self._asked if all_of_them or now >= until]
            self._asked = [waiting for waiting in self._asked if waiting[1] not in late]
        for future in late:
            future.set_exception(UnavailableError(f"no picture within {WAIT_S:g} s: {why or 'no frame came'}"))
