"""What PoseNet says at each cell of its grid, and how the points of a person are followed through it.

Source: Papandreou et al., "PersonLab", 2018, as tfjs-models/posenet decodes it (decode_multiple_poses.ts,
decode_pose.ts): roots are local maxima with a score of at least 0.5; a root near that point of a person found before is
dropped; the other points are found along the tree of EDGES; a person's score is the mean of the scores of the points
that no person before has.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from edge_infer.decode.heatmap import HeatMap
from edge_infer.decode.landmarks import FAR
from edge_infer.decode.landmarks_names import BODY_17
from edge_infer.types import Array, Size, TensorSpec

POINTS = len(BODY_17)
# Parent and child, in the order of the channels of the displacements. Source: poseChain of tfjs-models/posenet.
EDGES = (
    (0, 1), (1, 3), (0, 2), (2, 4), (0, 5), (5, 7), (7, 9), (5, 11),
    (11, 13), (13, 15), (0, 6), (6, 8), (8, 10), (6, 12), (12, 14), (14, 16),
)  # fmt: skip
# From a part to the next, until all are reached: the edge, whether it is followed to the child, from where to where.
STEPS = (
    *((edge, False, EDGES[edge][1], EDGES[edge][0]) for edge in reversed(range(len(EDGES)))),
    *((edge, True, parent, child) for edge, (parent, child) in enumerate(EDGES)),
)
HALF = np.float32(0.5)
ROOT_SCORE = 0.5
NMS_RADIUS_PX = 20.0
STRIDES = (8, 16, 32)  # input pixels per cell. Source: tfjs-models/posenet


Place: TypeAlias = tuple[np.float32, np.float32]  # y, x in input pixels


@dataclass(frozen=True, slots=True)
class Heads:
    """Where the outputs are; `forward` and `backward` are one where it holds both, None where there are none."""

    heat: int
    offset: int
    forward: int | None = None
    backward: int | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Points `(17, 2)` in input pixels, their scores, and the person's."""

    points: Array
    scores: Array
    score: float


@dataclass(frozen=True, slots=True)
class Fields:
    """One inference.

    Attributes:
        scores: `(rows, columns, 17)`, of each part at each cell
        offsets: `(rows, columns, 2, 17)`, y and x in input pixels from the cell to the part
        forward, backward: `(rows, columns, 2, 16)`, from parent to child and back; None where there are none
        stride: input pixels per cell, y and x
    """

    scores: Array
    offsets: Array
    forward: Array | None
    backward: Array | None
    stride: Array

    def point(self, part: int, row: int, column: int) -> tuple[Place, float]:
        """Where a part is that was found in a cell, and its score."""
        y = np.float32(row) * self.stride[0] + self.offsets[row, column, 0, part]
        x = np.float32(column) * self.stride[1] + self.offsets[row, column, 1, part]
        return (y, x), float(self.scores[row, column, part])

    def person(self, part: int, row: int, column: int) -> tuple[Array, Array]:
        """Points `(17, 2)` y, x and scores `(17,)` of the person whose part is in a cell."""
        assert self.forward is not None  # noqa: S101 - models without displacements find one person only
        assert self.backward is not None  # noqa: S101
        found = {part: self.point(part, row, column)}
        for edge, to_child, source, target in STEPS:
            if source in found and target not in found:
                moves = self.forward if to_child else self.backward
                y, x = found[source][0]
                cell = self._cell(y, x)
                moved = y + moves[(*cell, 0, edge)], x + moves[(*cell, 1, edge)]
                found[target] = self.point(target, *self._cell(*moved))
        points = np.array([found[part][0] for part in range(POINTS)], np.float32)
        return points, np.array([found[part][1] for part in range(POINTS)], np.float32)

    def _cell(self, y: np.float32, x: np.float32) -> tuple[int, int]:
        """Row and column of the nearest cell; numbers by themselves take a fifth of the time of arrays of two."""
        rows, columns, _ = self.scores.shape
        return _nearest(y / self.stride[0], rows), _nearest(x / self.stride[1], columns)


def _nearest(place: np.float32, count: int) -> int:
    """The nearest of so many cells; the first where the place is not a number."""
    return min(max(math.floor(place + HALF), 0), count - 1) if place == place else 0


def read_fields(
    specs: Sequence[TensorSpec], heads: Heads, heat: HeatMap, outputs: Sequence[Array], input_size: Size
) -> Fields:
    """One inference's outputs as real numbers."""

    def field(place: int, first: int, parts: int) -> Array:
        grid = np.clip(specs[place].real(outputs[place].reshape(outputs[place].shape[-3:])), -FAR, FAR)
        return grid[:, :, first : first + 2 * parts].reshape(*grid.shape[:2], 2, parts)

    scores = heat.scores(outputs[heads.heat].reshape(outputs[heads.heat].shape[-3:]))
    edges = len(EDGES)
    forward = backward = None
    if heads.forward is not None and heads.backward is not None:
        forward = field(heads.forward, 0, edges)
        backward = field(heads.backward, 2 * edges if heads.backward == heads.forward else 0, edges)
    stride = [stride_of(side, cells) for side, cells in zip(input_size[::-1], scores.shape, strict=False)]
    return Fields(scores, field(heads.offset, 0, POINTS), forward, backward, np.array(stride, np.float32))


def stride_of(side: int, cells: int) -> int:
    """Input pixels per cell: a side of n strides and one pixel has n + 1 cells."""
    return min(STRIDES, key=lambda stride: abs(stride * max(1, cells - 1) + 1 - side))


def find_people(fields: Fields, roots: Array, most: int) -> list[Person]:
    """At most so many persons; `roots (n, 3)` are row, column, part of local maxima, best first."""
    found: list[Person] = []
    for row, column, part in roots.tolist():
        if len(found) == most:
            break
        place, _ = fields.point(part, row, column)
        before = np.array([person.points for person in found]).reshape(-1, POINTS, 2)
        if _near(before[:, part], np.array(place[::-1])).any():
            continue
        points, scores = fields.person(part, row, column)
        points = points[:, ::-1]
        taken = _near(before, points).any(axis=0)
        found.append(Person(points, scores, float(scores[~taken].sum() / POINTS)))
    return found


def _near(some: Array, others: Array) -> Array:
    return ((some - others) ** 2).sum(axis=-1) <= NMS_RADIUS_PX**2  # type: ignore[no-any-return]
