"""Values that a sensor did not give: how many of a window, and what stands in for them."""

import numpy as np

from edge_infer.types import Array, Wanted


def columns_of(wanted: Wanted, channels: tuple[str, ...]) -> list[int] | None:
    """The columns that the model takes; None: all."""
    if not set(wanted.names) <= set(channels):
        return None  # who picks them by their names will say so
    return [channels.index(name) for name in wanted.names] or None


def filled(data: Array, columns: list[int] | None, wanted: Wanted) -> int | None:
    """How many values of the columns were NaN and are filled in now; None where they are too many.

    What lies between two readings of a column is as `wanted.hold` says; before the first and after the last it is
    theirs.
    """
    looked_at = data if columns is None else data[:, columns]
    absent = np.isnan(looked_at)
    missing = int(absent.sum())
    if not missing:
        return 0
    if missing > wanted.max_missing * looked_at.size or absent.all(axis=0).any():
        return None
    for column in range(data.shape[1]) if columns is None else columns:
        _fill(data[:, column], hold=wanted.hold)
    return missing


def _fill(values: Array, *, hold: bool) -> None:
    absent = np.isnan(values)
    present = np.flatnonzero(~absent)
    at = np.flatnonzero(absent)
    if hold:
        values[at] = values[present[np.maximum(np.searchsorted(present, at) - 1, 0)]]
    else:
        values[at] = np.interp(at, present, values[present])
