"""CLEAR-MOT and IDF1 of what a tracker said, counted over scenes.

Source: Bernardin and Stiefelhagen, Evaluating Multiple Object Tracking Performance, 2008 (MOTA: who was matched stays
matched as long as both overlap); Ristani et al., Performance Measures and a Data Set for Multi-Target, Multi-Camera
Tracking, 2016 (IDF1: each truth is one track at most in the whole scene). On 24 scenes all counts are those of
motmetrics 1.4.0.
"""

from collections import Counter
from dataclasses import dataclass, fields

import numpy as np

from edge_infer.analyse.assignment import assign
from edge_infer.types import Array

OVERLAP = 0.5  # least IoU of what counts as found


@dataclass(frozen=True)
class Score:
    """Sums over frames; add them up, then ask for the shares."""

    truths: int = 0
    said: int = 0
    missed: int = 0
    false: int = 0
    switches: int = 0
    same: int = 0  # boxes in which the track is the one that the truth has in the whole scene

    def __add__(self, other: "Score") -> "Score":
        return Score(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def mota(self) -> float:
        """1: all found, no false ones, no switches."""
        return 1 - (self.missed + self.false + self.switches) / max(self.truths, 1)

    @property
    def idf1(self) -> float:
        """1: each object has one track, and each track one object."""
        return 2 * self.same / max(self.truths + self.said, 1)


def score(truth: Array, said: Array) -> Score:
    """Of rows frame, id, x0, y0, x1, y1 of what is there, and of what was said."""
    frames = np.unique(np.concatenate([truth[:, 0], said[:, 0]]))
    last: dict[int, int] = {}  # the track that each truth had, when it had one
    together = Counter[tuple[int, int]]()
    missed = false = switches = 0
    for frame in frames:
        there, tracks = truth[truth[:, 0] == frame], said[said[:, 0] == frame]
        overlap = overlaps(there[:, 2:], tracks[:, 2:])
        ids, names = there[:, 1].astype(int).tolist(), tracks[:, 1].astype(int).tolist()
        together.update((ids[i], names[j]) for i, j in np.argwhere(overlap >= OVERLAP).tolist())
        kept: dict[int, int] = {}  # rows that are still together, by column
        for i, one in enumerate(ids):
            j = names.index(last[one]) if last.get(one) in names else -1
            if j >= 0 and overlap[i, j] >= OVERLAP:
                kept.setdefault(j, i)
        cost = np.where(overlap >= OVERLAP, 1 - overlap, np.inf)
        cost[list(kept.values())], cost[:, list(kept)] = np.inf, np.inf
        rows, columns = assign(cost, 1e3)
        pairs = [*((i, j) for j, i in kept.items()), *zip(rows.tolist(), columns.tolist(), strict=True)]
        now = {ids[i]: names[j] for i, j in pairs}
        switches += sum(last.get(one, name) != name for one, name in now.items())
        last |= now
        missed += len(ids) - len(pairs)
        false += len(names) - len(pairs)
    return Score(len(truth), len(said), missed, false, switches, most(together))


def most(together: Counter[tuple[int, int]]) -> int:
    """Frames in common, where each truth gets one track at most and each track one truth."""
    if not together:
        return 0
    ids, names = (
        {name: place for place, name in enumerate(sorted(set(column)))} for column in zip(*together, strict=True)
    )
    cost = np.full((len(ids), len(names)), np.inf)
    for (one, name), frames in together.items():
        cost[ids[one], names[name]] = -frames
    return round(-cost[assign(cost, 0.0)].sum())


def overlaps(one: Array, other: Array) -> Array:
    """IoU of boxes `(n, 4)` with boxes `(m, 4)`: `(n, m)`."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, other)]
    shares: Array = common / np.maximum(areas[0][:, None] + areas[1][None] - common, 1e-9)
    return shares
