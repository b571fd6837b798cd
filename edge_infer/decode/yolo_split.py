"""YOLO models whose boxes and scores, or whose levels, are outputs of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_infer.decode.yolo_layout import STRIDES, Head, Layout, Part, Wanted, levels_of, strides_of
from edge_infer.types import Size, TensorSpec

BINS = 16  # of the distribution of each distance. Source: reg_max in Ultralytics' heads; Frigate, Rockchip
DISTANCES = 4 * BINS


@dataclass(frozen=True, slots=True)
class _Plane:
    """One output as channels and cells; `grids` is the level that they are, where they are one."""

    output: int
    channels: int
    count: int
    grids: tuple[Size, ...]
    last: bool

    def part(self, first: int = 0, count: int | None = None) -> Part:
        return Part(self.output, first, self.channels if count is None else count, self.channels, self.last)


def split_layout(specs: Sequence[TensorSpec], places: Sequence[int], wanted: Wanted) -> Layout | None:
    """The layout of several outputs, `places` of `specs`; None where it is not known."""
    for last in (wanted.channels_last, not wanted.channels_last):
        planes = [_plane(place, specs[place].shape, wanted, last) for place in places]
        known = [plane for plane in planes if plane is not None]
        if len(known) == len(planes) and (layout := _joined(known, specs, wanted)):
            return layout
    return None


def _plane(place: int, shape: tuple[int, ...], wanted: Wanted, last: bool) -> _Plane | None:
    if len(shape) not in (2, 3, 4) or shape[0] != 1 or min(shape) < 1:
        return None
    if len(shape) == 2:
        return _Plane(place, 1, shape[1], (), True)
    channels, inner = (shape[-1], shape[1:-1]) if last else (shape[1], shape[2:])
    if len(inner) == 2:
        return _Plane(place, channels, inner[0] * inner[1], ((inner[1], inner[0]),), last)
    return _Plane(place, channels, inner[0], _level(wanted.size, inner[0]), last)


def _level(size: Size, count: int) -> tuple[Size, ...]:
    """Columns and rows of the level that has so many cells, where there is one."""
    grids = {(size[0] // stride, size[1] // stride) for strides in STRIDES for stride in strides}
    return tuple(grid for grid in grids if grid[0] * grid[1] == count)


def _joined(planes: Sequence[_Plane], specs: Sequence[TensorSpec], wanted: Wanted) -> Layout | None:
    counts = list(dict.fromkeys(plane.count for plane in planes))
    total = sum(counts)
    if len(counts) == 1:
        third = total // 3 if total % 3 == 0 else 0
        if strides_of(wanted.size, total) or strides_of(wanted.size, third):
            return _flat(planes, specs, wanted, anchors=1 if strides_of(wanted.size, total) else 3)
        return None
    width, height = wanted.size
    fitting = all(len(p.grids) == 1 and p.grids[0][0] * height == p.grids[0][1] * width for p in planes)
    if not fitting or strides_of(wanted.size, total) is None:
        return None
    heads = [_level_head([plane for plane in planes if plane.count == count], wanted) for count in counts]
    if None in heads or len({head.scores.count for head in heads if head}) != 1:
        return None
    known = tuple(head for head in heads if head)
    return Layout(known, "distances", known[0].scores.count, f"{len(known)} levels of distances and scores")


def _level_head(planes: Sequence[_Plane], wanted: Wanted) -> Head | None:
    """Of one level: distances and scores in one output, or apart; an output with the sum of the scores is left out."""
    if len(planes) == 1:
        plane, classes = planes[0], planes[0].channels - DISTANCES
        if classes < 1 or wanted.classes not in (0, classes) or wanted.extras:
            return None
        return Head(plane.part(0, DISTANCES), plane.part(DISTANCES, classes), grids=plane.grids)
    head = _roles(planes, wanted, DISTANCES)
    return head and replace(head, grids=planes[0].grids)


def _flat(planes: Sequence[_Plane], specs: Sequence[TensorSpec], wanted: Wanted, anchors: int) -> Layout | None:
    """All levels one after the other."""
    if anchors == 1 and (head := _numbered(planes, specs, wanted)):
        return Layout((head,), "corners", 0, "boxes, scores and classes apart")
    if anchors == 1 and (head := _roles(planes, wanted, DISTANCES)):
        grids = levels_of(wanted.size, planes[0].count)
        return Layout((replace(head, grids=grids),), "distances", head.scores.count, "distances and scores apart")
    head = _roles(planes, wanted, 4)
    if head is None:
        return None
    single = [plane for plane in planes if plane.channels == 1 and plane.output != head.scores.output]
    if anchors == 3 and not single:
        return None
    there = single[0].part() if anchors == 3 else None
    return Layout((replace(head, objectness=there),), "either", head.scores.count, "boxes and scores apart")


def _numbered(planes: Sequence[_Plane], specs: Sequence[TensorSpec], wanted: Wanted) -> Head | None:
    """Boxes, the best score, its class: what Qualcomm's exports have."""
    boxes = [plane for plane in planes if plane.channels == 4]
    single = [plane for plane in planes if plane.channels == 1]
    if len(planes) != 3 or len(boxes) != 1 or len(single) != 2 or wanted.extras:
        return None
    classes = next((p for p in single if "class" in specs[p.output].name.lower()), None) or next(
        (p for p in single if specs[p.output].dtype.kind in "iu" and not specs[p.output].quantized), single[1]
    )
    scores = single[0] if classes is single[1] else single[1]
    return Head(boxes[0].part(), scores.part(), class_ids=classes.part())


def _roles(planes: Sequence[_Plane], wanted: Wanted, box_channels: int) -> Head | None:
    """Which output is what, by the number of channels; None where that is not certain."""
    boxes = [plane for plane in planes if plane.channels == box_channels]
    if len(boxes) == 2 and wanted.classes == box_channels:  # as many classes as channels: boxes come first
        boxes = boxes[:1]
    if len(boxes) != 1:
        return None
    rest = [plane for plane in planes if plane is not boxes[0]]
    extras = next((plane for plane in rest if wanted.extras and plane.channels == wanted.extras), None)
    if wanted.extras and extras is None:
        return None
    rest = [plane for plane in rest if plane is not extras]
    several = [plane for plane in rest if plane.channels > 1]
    scores = [plane for plane in several or rest[:1] if wanted.classes in (0, plane.channels)]
    if len(scores) != 1 or len(rest) > 2:
        return None
    return Head(boxes[0].part(), scores[0].part(), extras=extras.part() if extras else None)
