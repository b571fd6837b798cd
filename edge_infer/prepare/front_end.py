"""What makes features of a window of samples, for models that do not take the samples themselves."""

from collections.abc import Sequence
from typing import Protocol

from edge_infer.errors import ModelError
from edge_infer.features import Bands, Features, LogMel, Micro
from edge_infer.types import Array, TensorSpec


class FrontEnd(Protocol):
    """Belongs to one thread, and to one stream."""

    @property
    def samples(self) -> int:
        """Of a window."""
        ...

    @property
    def channels(self) -> int:
        """Of a window."""
        ...

    @property
    def hop(self) -> int | None:
        """From one window to the next, where that cannot be chosen: it remembers what it heard; None: it can."""
        ...

    @property
    def rate_hz(self) -> float | None:
        """That it is made for; None: any."""
        ...

    def __call__(self, data: Array) -> Array:
        """All numbers of the input, in its order, of `(samples, channels) float32`."""
        ...

    def forget(self) -> None:
        """The next window does not follow the last."""
        ...


def front_end(
    features: Features, spec: TensorSpec, *, rate_hz: float | None, channels: Sequence[str], window: int | None
) -> FrontEnd:
    """The front end for an input; what it is not told it takes from the input.

    Raises:
        ModelError: the input takes other features, or the rate is not known.
        UnavailableError: a library that it needs is not installed.
    """
    match features:
        case LogMel():
            from edge_infer.prepare.log_mel import LogMelFrontEnd

            return LogMelFrontEnd(features, spec, rate_hz, window)
        case Micro():
            from edge_infer.prepare.micro import MicroFrontEnd

            return MicroFrontEnd(features, spec, rate_hz)
        case Bands():
            from edge_infer.prepare.bands import BandsFrontEnd

            return BandsFrontEnd(features, spec, len(channels) or 1, window)


def frames_of(spec: TensorSpec, bins: int) -> int:
    """How many frames of so many numbers the input takes.

    Raises:
        ModelError: none, or not a whole number.
    """
    values = 1
    for side in spec.shape:
        values *= side
    if not values or values % bins:
        raise ModelError(
            f"input '{spec.name}' of shape {list(spec.shape)} takes no whole number of frames of {bins} features: "
            "look at prepare: {features: ...}"
        )
    return values // bins
