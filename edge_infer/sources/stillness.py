"""Cameras and sensors that lie: they go on giving frames, and it is always the same one."""

import time

import numpy as np

from edge_infer.errors import SourceError
from edge_infer.types import Array, Frame

ROWS = 16  # each sixteenth row: a sensor's noise changes some of its pixels in each frame


class Stillness:
    """Refuses frames of a picture that has not changed by a single bit for `max_s` seconds, until it changes.

    It outlives the source that is opened anew. One thread may use it.
    """

    def __init__(self, name: str, max_s: float) -> None:
        self._name = name
        self._max_s = max_s
        self._sample: Array | None = None
        self._since = self._tried_at = 0.0  # monotonic: the picture is this one, the source was opened for its sake

    def refuses(self, frame: Frame) -> bool:
        """True for a frame that shows what a frozen camera shows.

        Raises:
            SourceError: it has frozen, or still is after another `max_s` seconds: opening it anew may help.
        """
        now = time.monotonic()
        sample = frame.data[::ROWS]
        if self._sample is None or not np.array_equal(sample, self._sample):
            self._sample = sample.copy()
            self._since = self._tried_at = now
        if now - self._since <= self._max_s:
            return False
        if now - self._tried_at > self._max_s:
            self._tried_at = now
            what, shows = ("sensor", "what it gives") if frame.span else ("camera", "its picture")
            raise SourceError(
                f"the {what} of {self._name} is frozen: {shows} has not changed by a bit for {self._max_s:g} s"
            )
        return True
