"""Every n-th frame, and fewer while the machine is too busy or too hot."""

from typing import Literal

from edge_infer.analyse.gate_settings import StrideGate

CALM_LOAD = 0.8  # times `max_load`: below it there is room for twice as many frames only where they were few
CALM_C = 5.0  # below `max_temp_c`: a processor at its limit swings by 2 to 3 degrees

Strain = Literal["", "busy", "hot"]


class Stride:
    """Admits every n-th frame. `feel` may be called by one other thread.

    Attributes:
        n: now
        strain: why that is more than was asked for; "" where it is not
    """

    def __init__(self, settings: StrideGate) -> None:
        self._settings = settings
        self.n = settings.every
        self.strain: Strain = ""
        self._left_out = max(settings.every, settings.most)  # the first frame is admitted

    def refuses(self, *, live: bool) -> str:
        """Why this frame is left out: "stride", "busy", "hot"; "" where it is not. A file knows no strain."""
        n = self.n if live else self._settings.every
        if self._left_out + 1 >= n:
            self._left_out = 0
            return ""
        self._left_out += 1
        return self.strain if live and self._left_out >= self._settings.every and self.strain else "stride"

    def feel(self, load: float | None, temperature_c: float | None, *, throttled: bool) -> None:
        """Take a new measurement: the share of all cores that is used, the heat, whether firmware slows it down."""
        s = self._settings
        hot = s.max_temp_c is not None and (throttled or (temperature_c is not None and temperature_c > s.max_temp_c))
        busy = s.max_load is not None and load is not None and load > s.max_load
        if hot or busy:
            self.n = max(s.every, min(self.n * 2, s.most))
            self.strain = "hot" if hot else "busy"
        elif self._is_calm(load, temperature_c):
            self.n = max(s.every, self.n // 2)
            self.strain = self.strain if self.n > s.every else ""

    def _is_calm(self, load: float | None, temperature_c: float | None) -> bool:
        """True well below the limits; a limit whose value nobody knows binds nobody."""
        s = self._settings
        cool = s.max_temp_c is None or temperature_c is None or temperature_c < s.max_temp_c - CALM_C
        idle = s.max_load is None or load is None or load < s.max_load * CALM_LOAD
        return cool and idle
