"""How many samples a writer has left out: bare samples do not say so."""

PAUSE_S = 0.5  # a writer that pauses for less has a buffer of its own
SETTLE_S = 1.0  # what it has kept comes within this; Source: a second of sound over a network takes milliseconds
LEAST_S = 0.1  # less is jitter


class Lateness:
    """Tells after a pause what did not come afterwards, by the time that has passed; a clock that drifts is no loss."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._usual = 0.0  # s that samples come after their time
        self._last_ns: int | None = None
        self._paused_ns: int | None = None  # when a pause was over

    def lost(self, now_ns: int, samples: int) -> int:
        """How many are missing now, of a stream that has given so many; asked with each block."""
        late = now_ns / 1e9 - samples / self._rate_hz
        if self._last_ns is not None and (now_ns - self._last_ns) / 1e9 > PAUSE_S:
            self._paused_ns = self._paused_ns or now_ns
        self._last_ns = now_ns
        if self._paused_ns is None:
            self._usual = late
            return 0
        if (now_ns - self._paused_ns) / 1e9 < SETTLE_S:
            return 0
        missing, self._paused_ns = late - self._usual, None
        lost = round(missing * self._rate_hz) if missing > LEAST_S else 0
        self._usual = late - lost / self._rate_hz
        return lost
