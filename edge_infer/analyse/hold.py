"""What was worth a look is looked at for a while longer, and everything now and then."""


class Hold:
    """Says for each moment whether it is looked at; moments come in order, and begin anew where time goes back."""

    def __init__(self, hold_s: float, at_least_s: float) -> None:
        """`hold_s` after the last event, and at least every `at_least_s`."""
        self._hold_s = hold_s
        self._at_least_s = at_least_s
        self._happened_s: float | None = None
        self._looked_s: float | None = None
        self._now_s = 0.0

    def __call__(self, at_s: float, *, happens: bool) -> bool:
        """True where `at_s`, at which something happens or not, is looked at."""
        if at_s < self._now_s:  # another file, or the source was opened anew
            self._happened_s = self._looked_s = None
        self._now_s = at_s
        if happens:
            self._happened_s = at_s
        held = self._happened_s is not None and at_s - self._happened_s <= self._hold_s
        if held or self._looked_s is None or at_s - self._looked_s >= self._at_least_s:
            self._looked_s = at_s
            return True
        return False
