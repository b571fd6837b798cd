"""Predictions drawn on a picture, legible at any size."""

from pathlib import Path

import cv2
import numpy as np

from edge_infer.errors import UnavailableError
from edge_infer.types import Array, Classes, Detection, Detections, Result

# Colours (BGR) that stay apart for colour-blind readers. Source: Okabe and Ito, "Color Universal Design", 2008.
COLORS = ((0, 159, 230), (233, 180, 86), (115, 158, 0), (66, 228, 240), (178, 114, 0), (0, 94, 213), (167, 121, 204))
FONT = cv2.FONT_HERSHEY_SIMPLEX
REFERENCE_SIDE = 640.0  # px; lines and letters grow with the picture from here


def draw(image: Array, result: Result) -> Array:
    """A copy of the BGR picture with boxes, keypoints and labels, or the best classes."""
    canvas = np.ascontiguousarray(image).copy()
    scale = max(0.5, max(canvas.shape[:2]) / REFERENCE_SIDE)
    match result.prediction:
        case Detections():
            for detection in result.prediction:
                _draw_detection(canvas, detection, scale)
        case Classes():
            for row, category in enumerate(result.prediction):
                _text(canvas, f"{category.label} {category.score:.2f}", (0, row), COLORS[0], scale, rows=True)
    return canvas


def encode_jpeg(image: Array) -> bytes:
    """The picture as a JPEG file."""
    return cv2.imencode(".jpg", image)[1].tobytes()


def save(image: Array, path: Path) -> Path:
    """Write the picture as a JPEG; its folder is made.

    Raises:
        UnavailableError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(image))
    except OSError as error:
        raise UnavailableError(f"cannot write the picture {path}: {error.strerror}") from error
    return path


def _draw_detection(canvas: Array, detection: Detection, scale: float) -> None:
    color = COLORS[detection.class_id % len(COLORS)]
    x0, y0, x1, y1 = (round(v) for v in detection.box)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), color, max(1, round(2 * scale)), cv2.LINE_AA)
    for x, y in detection.keypoints:
        cv2.circle(canvas, (round(x), round(y)), max(2, round(3 * scale)), color, -1, cv2.LINE_AA)
    _text(canvas, f"{detection.label} {detection.score:.2f}", (x0, y0), color, scale)


def _text(
    canvas: Array, text: str, at: tuple[int, int], color: tuple[int, int, int], scale: float, *, rows: bool = False
) -> None:
    """Black letters on the colour: above the point `at`, or below it where there is no room; or in a row."""
    size, thickness = 0.5 * scale, max(1, round(scale))
    (width, height), baseline = cv2.getTextSize(text, FONT, size, thickness)
    line = height + baseline + max(2, round(4 * scale))
    x = min(at[0], max(0, canvas.shape[1] - width))
    top = at[1] * line if rows else at[1] - line if at[1] >= line else at[1]
    cv2.rectangle(canvas, (x, top), (x + width, top + line), color, -1)
    cv2.putText(canvas, text, (x, top + line - baseline), FONT, size, (0, 0, 0), thickness, cv2.LINE_AA)
