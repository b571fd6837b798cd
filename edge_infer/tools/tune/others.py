"""How much of the machine others use while something is measured: figures of a busy machine are none of the model's."""

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
IDLE = (3, 4)  # Source: proc(5), /proc/stat: idle and iowait are the fourth and fifth of a line
BUSY = slice(0, 8)  # ... up to steal; what follows is counted in the others already


class Others:
    """Since it was made; for one thread."""

    def __init__(self, stat: Path = STAT) -> None:
        self._stat = stat
        self._since = self._looked()

    def cores(self) -> float:
        """How many cores others kept busy, on the average."""
        seconds, busy_s, own_s = (now - then for now, then in zip(self._looked(), self._since, strict=True))
        return round(max(0.0, busy_s - own_s) / seconds, 2) if seconds > 0 else 0.0

    def _looked(self) -> tuple[float, float, float]:
        """Now (monotonic), CPU seconds of all, and of this process with the children that it has waited for."""
        ticks = [int(word) for word in self._stat.read_text().partition("\n")[0].split()[1:]][BUSY]
        busy = sum(ticks) - sum(ticks[place] for place in IDLE)
        used = os.times()
        own = used.user + used.system + used.children_user + used.children_system
        return time.monotonic(), busy / os.sysconf("SC_CLK_TCK"), own
