"""Where a YOLO model has its boxes, scores and the rest: what the exporters' layouts have in common.

Source: the export heads of Ultralytics (YOLOv5; v8, v9, v10, 11, 12, 26), and what Frigate, Rockchip and Qualcomm make
of them for accelerators (docs/models-yolo.md lists the layouts).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from edge_infer.types import Array, Size, TensorSpec

Task: TypeAlias = Literal["detect", "segment", "pose", "obb"]
# How four numbers, or four distributions, make a box; "either": centre and size, or corners: the numbers tell;
# "offsets": of the centre from the cell, and logarithms of the size, in strides.
Coding: TypeAlias = Literal["center", "corners", "either", "offsets", "distances"]
# Pixels between the cells of each level of the usual models. Source: Ultralytics' model files (P5, P6, P2, tiny).
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
MOST_RESULTS = 1000  # of a model that suppresses itself; 300 is usual (max_det), YOLOv5's largest 1000


@dataclass(frozen=True, slots=True)
class Part:
    """`count` of the `of` channels of one output, from `first` on."""

    output: int
    first: int
    count: int
    of: int
    channels_last: bool

    def columns(self, outputs: Sequence[Array]) -> Array:
        """`(count, cells)` stored values: a view."""
        array = outputs[self.output]
        matrix = array.reshape(-1, self.of).T if self.channels_last else array.reshape(self.of, -1)
        return matrix[self.first : self.first + self.count]


@dataclass(frozen=True, slots=True)
class Head:
    """What is said of the same cells.

    Attributes:
        scores: one for each class, or one only
        class_ids: where `scores` is one only, and its class stands here
        extras: of each object: mask coefficients, keypoints, an angle
        grids: columns and rows of the levels that the cells belong to, one after the other; where that is needed
    """

    boxes: Part
    scores: Part
    objectness: Part | None = None
    class_ids: Part | None = None
    extras: Part | None = None
    grids: tuple[Size, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """All of a model's outputs.

    Attributes:
        classes: how many there are; 0: the model gives numbers
        suppressed: what overlaps is suppressed in the model
        prototypes: of masks
        note: in a few words, for people
    """

    heads: tuple[Head, ...]
    coding: Coding
    classes: int
    note: str
    suppressed: bool = False
    prototypes: Part | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known of a model before its outputs are looked at.

    Attributes:
        size: of its input, (width, height)
        classes: how many; 0: not known
        extras: how many numbers of each object beside its box and scores
        channels_last: whether pictures are; maps then usually are, too
        offsets: boxes are offsets from their cells, which have one anchor and objectness
    """

    task: Task
    size: Size
    classes: int = 0
    extras: int = 0
    channels_last: bool = True
    offsets: bool = False


def cells(size: Size, strides: Sequence[int]) -> int:
    """How many cells all levels have together."""
    return sum((size[0] // stride) * (size[1] // stride) for stride in strides)


def levels_of(size: Size, count: int) -> tuple[Size, ...]:
    """Columns and rows of these levels; () where there are none."""
    return tuple((size[0] // stride, size[1] // stride) for stride in strides_of(size, count) or ())


def strides_of(size: Size, count: int) -> tuple[int, ...] | None:
    """The levels that have so many cells together."""
    return next((strides for strides in STRIDES if count > 0 and cells(size, strides) == count), None)


def find_prototypes(specs: Sequence[TensorSpec], wanted: Wanted) -> Part | None:
    """The prototypes of masks: the output of four dimensions and the proportions of the input, where there is one."""
    maps = [place for place, spec in enumerate(specs) if len(spec.shape) == 4 and min(spec.shape) > 0]
    if len(maps) != 1 or len(specs) < 2:
        return None
    shape = specs[maps[0]].shape
    for last in (wanted.channels_last, not wanted.channels_last):
        rows, columns = shape[1:3] if last else shape[2:4]
        count = shape[3] if last else shape[1]
        if rows * wanted.size[0] == columns * wanted.size[1] and rows > 1:
            return Part(maps[0], 0, count, count, last)
    return None


def readings(place: int, spec: TensorSpec, wanted: Wanted, *, strict: bool) -> Iterator[Layout]:
    """All ways in which one output can hold everything.

    `strict`: the number of cells has to fit the size of the input; otherwise the number of classes is enough.
    """
    shape = spec.shape[1:] if len(spec.shape) == 4 and spec.shape[1] == 1 else spec.shape
    if len(shape) != 3 or shape[0] != 1 or not (strict or wanted.classes):
        return
    for count, of, last in ((shape[1], shape[2], True), (shape[2], shape[1], False)):
        one, three = strides_of(wanted.size, count), strides_of(wanted.size, count // 3 if count % 3 == 0 else 0)
        classes = of - 4 - wanted.extras
        if wanted.offsets:
            if classes >= 2 and _fits(classes - 1, wanted) and one:
                yield _offsets(place, of, wanted, last, count)
            continue
        if last and of == 6 + wanted.extras and count <= MOST_RESULTS and not (one or three):
            yield _finished(place, of, wanted)
        if classes >= 1 and _fits(classes, wanted) and (one or not strict):
            yield _decoded(place, of, wanted, last, classes, objectness=False)
        if classes >= 2 and _fits(classes - 1, wanted) and (three or (wanted.classes and (one or not strict))):
            yield _decoded(place, of, wanted, last, classes - 1, objectness=True)


def _fits(classes: int, wanted: Wanted) -> bool:
    return wanted.classes in (0, classes)


def _decoded(place: int, of: int, wanted: Wanted, last: bool, classes: int, *, objectness: bool) -> Layout:
    """Centre and size, the score that anything is there at all (up to YOLOv7), one of each class, the rest."""
    first = 5 if objectness else 4
    head = Head(
        Part(place, 0, 4, of, last),
        Part(place, first, classes, of, last),
        objectness=Part(place, 4, 1, of, last) if objectness else None,
        extras=_extras(place, first + classes, of, last, wanted),
    )
    note = "box, objectness, a score for each class" if objectness else "box, a score for each class"
    return Layout((head,), "center", classes, note)


def _offsets(place: int, of: int, wanted: Wanted, last: bool, count: int) -> Layout:
    layout = _decoded(place, of, wanted, last, of - 5, objectness=True)
    head = replace(layout.heads[0], grids=levels_of(wanted.size, count))
    return replace(
        layout, heads=(head,), coding="offsets", note="offset from the cell, objectness, a score for each class"
    )


def _finished(place: int, of: int, wanted: Wanted) -> Layout:
    """Box, score, class, the rest, one row for each object: corners, or centre and size of turned boxes."""
    head = Head(
        Part(place, 0, 4, of, True),
        Part(place, 4, 1, of, True),
        class_ids=Part(place, 5, 1, of, True),
        extras=_extras(place, 6, of, True, wanted),
    )
    coding: Coding = "center" if wanted.task == "obb" else "corners"
    return Layout((head,), coding, 0, "box, score, class: suppressed in the model", suppressed=True)


def _extras(place: int, first: int, of: int, last: bool, wanted: Wanted) -> Part | None:
    return Part(place, first, wanted.extras, of, last) if wanted.extras else None
