"""When a result was, on a clock that never goes back."""

from dataclasses import dataclass, replace

from edge_infer.types import Result

ROUNDING_S = 1e-6  # so that 0.3 s after 0.4 s is 0.7 s: frame times are no finer


def has_passed(seconds: float, since_s: float, now_s: float) -> bool:
    """True where so many seconds lie between the two."""
    return now_s - since_s >= seconds - ROUNDING_S


@dataclass(frozen=True, slots=True)
class Moment:
    """When a result was.

    Attributes:
        at_s: seconds of captured time since the first result, however its clock jumps
        captured_at: of its frame, as in `Result`; `captured_ns`, `frame` too
    """

    at_s: float
    captured_at: float
    captured_ns: int
    frame: int | None

    def without_frame(self) -> "Moment":
        """The same for what no frame has shown."""
        return replace(self, frame=None)


class Moments:
    """Gives each result its moment. Where its clock goes back (a file begins anew), time stands still once."""

    def __init__(self) -> None:
        self._at_s = 0.0
        self._clock_s: float | None = None

    def __call__(self, result: Result) -> Moment:
        """The moment of this result; called in their order."""
        if self._clock_s is not None:
            self._at_s += max(0.0, result.clock_s - self._clock_s)
        self._clock_s = result.clock_s
        return Moment(self._at_s, result.captured_at, result.captured_ns, result.number)
