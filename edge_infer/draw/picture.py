"""A result drawn on its picture."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edge_infer.draw.canvas import Canvas
from edge_infer.draw.colors import COLORS, Color, color_of, color_table, line_color
from edge_infer.draw.plot import plot
from edge_infer.draw.skeletons import bones_of
from edge_infer.draw.words import name_of, object_words, rows_of
from edge_infer.pictures import to_bgr
from edge_infer.types import Array, Detection, Detections, Keypoints, Mask, Result

# A point that the model itself hardly believes in is not drawn. Source: scoreThreshold of TensorFlow.js' pose demos
POINT_SCORE = 0.3
CROWD = 40  # points of one thing beyond which they are drawn smaller: a face mesh has 468
LEFT, RIGHT, MIDDLE = COLORS[1], COLORS[0], COLORS[2]  # sides of a body
BACKGROUND = ("background", "_background_", "bg", "unlabeled")


def draw(image: Array, result: Result, *, enlarge: bool = False) -> Array:
    """A copy of the picture with what the result says: all of it that can be drawn and has room. Samples are plotted.

    It is `(height, width, 3) uint8` BGR of the picture's own size. `enlarge` makes one whose longer side has less than
    160 pixels larger by a whole number, since it has no room for letters.

    Raises:
        InputError: `image` is no picture.
    """
    if result.span:
        return plot(image, result)
    canvas = Canvas(to_bgr(image), enlarge=enlarge)
    match result.prediction:
        case Detections():
            _detections(canvas, result.prediction)
        case Mask():
            _mask(canvas, result.prediction)
        case Keypoints() as found:
            _points(canvas, found.points.tolist(), found.scores.tolist(), found.names, bones_of(found.names))
        case _:
            canvas.rows(rows_of(result))
    return canvas.pixels


def _detections(canvas: Canvas, detections: Detections) -> None:
    """The best one on top; text last, so that no line crosses it."""
    found = list(detections)
    bones = bones_of(detections.keypoint_names)
    for one in reversed(found):
        _detection(canvas, one, detections.keypoint_names, bones)
    for one in found:
        if all(map(math.isfinite, one.box)):
            canvas.label(object_words(one), one.box, line_color(one.class_id))


def _detection(canvas: Canvas, one: Detection, names: Sequence[str], bones: list[tuple[int, int]]) -> None:
    color = line_color(one.class_id)
    x0, y0, x1, y1 = one.box
    if one.mask is not None:
        canvas.tint(one.mask, (math.floor(x0), math.floor(y0)), color)
    canvas.outline(one.corners or ((x0, y0), (x1, y0), (x1, y1), (x0, y1)), color)
    scores = one.keypoint_scores or (1.0,) * len(one.keypoints)
    _points(canvas, one.keypoints, scores, names, bones, None if bones else color)


def _points(
    canvas: Canvas,
    points: Sequence[tuple[float, float]],
    scores: Sequence[float],
    names: Sequence[str],
    bones: Iterable[tuple[int, int]],
    color: Color | None = None,
) -> None:
    """Points in one colour, or each in that of its side, joined by bones; the doubtful ones are left out."""
    sure = [score >= POINT_SCORE for score in scores]
    colors = [color or _side(name) for name in names]
    for a, b in bones:
        if sure[a] and sure[b]:
            canvas.outline((points[a], points[b]), colors[a] if colors[a] == colors[b] else MIDDLE, closed=False)
    size = 0.5 if len(points) > CROWD else 1.0
    for point, is_sure, own in zip(points, sure, colors, strict=True):
        if is_sure:
            canvas.dot(point, own, size)


def _side(name: str) -> Color:
    words = name.lower().split("_")
    return LEFT if "left" in words else RIGHT if "right" in words else MIDDLE


def _mask(canvas: Canvas, mask: Mask) -> None:
    regions = list(mask)
    most = max((region.class_id for region in regions), default=0) + 1
    tinted = np.ones(most, bool)
    tinted[[r.class_id for r in regions if _is_background(mask.labels, r.class_id)]] = False
    canvas.tint_all(mask.class_map, color_table(most), tinted)
    whole = mask.class_map.size
    canvas.rows(
        [(f"{name_of(r)} {_percent(r.pixels / whole)}", color_of(r.class_id)) for r in regions if tinted[r.class_id]]
    )


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "<1%"


def _is_background(labels: Sequence[str], class_id: int) -> bool:
    """By its label; where it has none, class 0 is, as in Pascal VOC and most exports."""
    label = labels[class_id].strip().lower() if class_id < len(labels) else ""
    return label in BACKGROUND if label else class_id == 0
