"""Frames that need not be looked at: what a configuration says of them, for the thread that reads a source."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from edge_infer.analyse.gate_settings import GateSettings
from edge_infer.analyse.hold import Hold
from edge_infer.analyse.motion_gate import Stirring
from edge_infer.analyse.stride import Stride
from edge_infer.config import from_options
from edge_infer.errors import InputError
from edge_infer.pictures import to_bgr
from edge_infer.prepare.loudness import dbfs
from edge_infer.types import Frame
from edge_infer.wire.machine import Hindrance, MachineHealth

COOLING: frozenset[Hindrance] = frozenset({"frequency_capped", "throttled", "soft_temperature_limit"})


class Gate:
    """Says why a frame is left out: "stride", "busy", "hot", "motion" (nothing moves), "quiet"; "" where it is not.

    For the one thread that reads a source, and again for the next where it is opened anew. `feel` is for another one.
    What a model would refuse passes: it says what is wrong.
    """

    def __init__(self, settings: GateSettings) -> None:
        motion, quiet = settings.motion, settings.quiet
        self._settings = settings
        self._stride = Stride(settings.stride) if settings.stride else None
        self._stirring = Stirring(motion) if motion else None
        self._hold_picture = Hold(motion.hold_s, motion.at_least_s) if motion else None
        self._hold_sound = Hold(quiet.hold_s, quiet.at_least_s) if quiet else None

    def __call__(self, frame: Frame, *, live: bool) -> str:
        """See the class; `live` where the world does not wait for the reader."""
        if self._stride and (cause := self._stride.refuses(live=live)):
            return cause
        return self._unmoved(frame) if frame.span is None else self._unheard(frame)

    def feel(self, machine: MachineHealth) -> None:
        """Adapt to a new measurement of the machine."""
        if self._stride:
            self._stride.feel(load_of(machine), machine.temperature_c, throttled=_is_slowed_down(machine))

    def _unmoved(self, frame: Frame) -> str:
        if self._stirring is None or self._hold_picture is None:
            return ""
        with suppress(InputError):
            moves = self._stirring(to_bgr(frame.data), frame.clock_s)
            return "" if self._hold_picture(frame.clock_s, happens=moves) else "motion"
        return ""

    def _unheard(self, frame: Frame) -> str:
        if self._hold_sound is None or self._settings.quiet is None:
            return ""
        loud = dbfs(frame.data) >= self._settings.quiet.min_dbfs
        return "" if self._hold_sound(frame.clock_s, happens=loud) else "quiet"


def gate(**options: Mapping[str, object]) -> Gate:
    """A gate for `stream`, from what a configuration says of `motion`, `quiet` and `stride`; {} for the defaults.

    Raises:
        UsageError: an option that does not exist, or has an impossible value.
    """
    return Gate(from_options(GateSettings, options, "the gate"))


def make_gate(settings: GateSettings) -> Gate | None:
    """The gate; None where every frame is looked at."""
    return Gate(settings) if settings.motion or settings.quiet or settings.stride else None


def load_of(machine: MachineHealth) -> float | None:
    """Share of all cores that is used; where nobody counts that, the load of the last minute."""
    if machine.cpu_percent is not None:
        return machine.cpu_percent / 100
    return machine.load[0] / machine.cores if machine.load and machine.cores else None


def _is_slowed_down(machine: MachineHealth) -> bool:
    now: Sequence[Hindrance] = machine.throttling.now if machine.throttling else ()
    return not COOLING.isdisjoint(now)
