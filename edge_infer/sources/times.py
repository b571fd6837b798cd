"""Times that sensors and tables write down, on our clocks."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from edge_infer.sources.sensor_settings import TimeUnit

ToSeconds: TypeAlias = Callable[[object], float]

_SCALE = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_WORDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "µs", "μs", "usec", "micros", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanosecond", "nanoseconds"), "ns"),
}
# Seconds since 1970 have 10 digits from 2001 to 2286, so that the others have 13, 16 and 19.
_SINCE_1970 = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"))
DRIFT = 0.005  # s in a second, at most. Source: Arduino Uno, ceramic resonator, 0.5 %; a quartz has a hundredth of it


def to_seconds(name: str, unit: str, example: object, said: TimeUnit | None = None) -> ToSeconds:
    """What reads times like the example: of a column by its name and the unit in its header, if nobody has said.

    Raises:
        ValueError: the example is no time.
    """
    if said is None and isinstance(example, str) and _as_float(example) is None:
        said = "iso"
    if said == "iso":
        iso_seconds(example)
        return iso_seconds
    value = _as_float(example)
    if value is None:
        raise ValueError(f"{example!r} is no number")
    word = said or _WORDS.get(unit.lower()) or _WORDS.get(re.split(r"[_\s]", name.lower())[-1])
    scale = _SCALE[word or next((named for least, named in _SINCE_1970 if abs(value) >= least), "s")]

    def read(time: object) -> float:
        seconds = _as_float(time)
        if seconds is None:
            raise ValueError(f"{time!r} is no number")
        return seconds * scale

    return read


def iso_seconds(text: object) -> float:
    """Seconds since 1970 of an ISO 8601 time; without a zone it is UTC.

    Raises:
        ValueError: it is none.
    """
    time = datetime.fromisoformat(str(text).strip())
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _as_float(value: object) -> float | None:
    try:
        number = float(str(value).strip().replace(",", ".") if isinstance(value, str) else value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


class OwnClock:
    """The clock of a sensor, beside ours: what came soonest after its date tells how far they are apart.

    Where its times step back it was started anew, or set.
    """

    def __init__(self, name: str, said: TimeUnit | None) -> None:
        self._name = name
        self._said = said
        self._read: ToSeconds | None = None
        self._last: tuple[float, float] | None = None  # its time and ours when something came last
        self._behind = 0.0  # s that its clock is behind our monotonic one, by the shortest way

    def hear(self, time: object, came_ns: int) -> None:
        """Something of this time has come; of what comes together, all is heard before any of it is placed.

        Raises:
            ValueError: this is no time.
        """
        own, ours = self._seconds(time), came_ns / 1e9
        if self._last is None or own < self._last[0]:
            self._behind = ours - own
        else:
            self._behind = min(ours - own, self._behind + DRIFT * (ours - self._last[1]))
        self._last = own, ours

    def place(self, time: object, came_at: float, came_ns: int) -> tuple[float, int]:
        """`captured_at`, `captured_ns` of what has this time, and came then."""
        late = max(0.0, came_ns / 1e9 - self._seconds(time) - self._behind)
        return came_at - late, came_ns - round(late * 1e9)

    def _seconds(self, time: object) -> float:
        self._read = self._read or to_seconds(self._name, "", time, self._said)
        return self._read(time)
