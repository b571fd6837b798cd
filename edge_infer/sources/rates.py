"""Samples at the rate that a model was trained with, whatever the rate of the source."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeAlias

from edge_infer.errors import InputError
from edge_infer.sources.grid import Grid
from edge_infer.sources.resampling import Resampler
from edge_infer.types import Frame, Wanted

Convert: TypeAlias = Callable[[Frame], Iterable[Frame]]  # blocks in, blocks out


def converter(first: Frame, wanted: Wanted, skipped: Counter[str]) -> Convert:
    """What makes blocks of the wanted rate from blocks like the first; `skipped` counts what it leaves out.

    Raises:
        InputError: these are pictures, or cannot be converted.
        UnavailableError: what converts rates is not installed.
    """
    if first.span is None:
        raise InputError(f"the model takes samples (sound, or readings of sensors), and {first.source} gives pictures")
    if wanted.rate_hz is None or first.span.rate_hz == wanted.rate_hz:
        return lambda block: (block,)
    if not first.span.rate_hz:
        if first.path and first.media_s is None:
            raise InputError(
                f"{first.path} does not say when its rows were taken, and the model takes {wanted.rate_hz:g} a second: "
                "name its column of times (time: ...), or say its rate_hz"
            )
        return Grid(wanted, skipped)
    return Resampler(first, wanted)
