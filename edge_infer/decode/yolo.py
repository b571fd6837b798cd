"""YOLO: objects, with masks, keypoints or turned boxes, of any of the layouts of `yolo_layout`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_infer.decode import nms, yolo_rotated
from edge_infer.decode.decoder import ClassFilter, check_labels, label_of
from edge_infer.decode.yolo_boxes import are_corners, from_distances, from_offsets, to_corners, unit
from edge_infer.decode.yolo_layout import Head, Layout, Task
from edge_infer.decode.yolo_masks import masks
from edge_infer.decode.yolo_select import Candidates, join, select
from edge_infer.types import Array, Detections, Geometry, Size, TensorSpec

# Source: Ultralytics' predict (v8 and later), and YOLOv5's and YOLOv7's detect.py for models with objectness.
USUAL_IOU, USUAL_IOU_WITH_OBJECTNESS = 0.7, 0.45


class YoloDecoder:
    """Objects with score >= `min_score`, best first, the lower cell first on a tie; boxes clipped to the frame."""

    def __init__(
        self,
        specs: Sequence[TensorSpec],
        layout: Layout,
        labels: Sequence[str],
        *,
        task: Task = "detect",
        keypoint_names: Sequence[str] = (),
        min_score: float = 0.25,
        max_results: int | None = 300,
        iou: float | None = None,
        agnostic: bool = False,
        classes: ClassFilter | None = None,
    ) -> None:
        """With `agnostic` the better of two boxes stays though their classes differ."""
        check_labels(labels, layout.classes, "this YOLO model")
        self.task: str = "detect" if task == "obb" else task
        self._specs = tuple(specs)
        self._layout = layout
        self._labels = tuple(labels)
        self._turned = task == "obb"
        self._names = tuple(keypoint_names)
        self._min_score = min_score
        self._max_results = max_results
        with_objectness = any(head.objectness for head in layout.heads)
        self._iou = iou if iou is not None else USUAL_IOU_WITH_OBJECTNESS if with_objectness else USUAL_IOU
        self._agnostic = agnostic
        self._classes = classes
        self._nothing: Detections | None = None  # what is said of each empty scene

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Detections:
        """Decode one inference."""
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is left out
            found, boxes = self._found(outputs, geometry.input_size)
            if not len(found) and self._nothing is not None:
                return self._nothing
            kept = self._kept(found, boxes)
            found, boxes = found[kept], boxes[kept]
            corners = None
            if self._turned:
                corners = geometry.unclipped(yolo_rotated.corners(yolo_rotated.regular(boxes)))
                limits = np.asarray(geometry.frame_size, np.float32)
                boxes = np.clip(
                    np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1), 0, (*limits, *limits)
                )
            else:
                boxes = geometry.to_frame(boxes)
        seen = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))  # the rest lies outside the frame
        found, boxes = found[seen], boxes[seen]
        shapes = self._masks(found, boxes, outputs, geometry)
        if shapes is not None:  # as Ultralytics' predict: what has no pixel is no object
            shown = np.flatnonzero([shape.any() for shape in shapes])
            found, boxes, shapes = found[shown], boxes[shown], tuple(shapes[place] for place in shown)
        objects = Detections(
            boxes,
            found.scores,
            found.class_ids,
            tuple(label_of(self._labels, class_id) for class_id in found.class_ids.tolist()),
            corners=None if corners is None else corners[seen],
            masks=shapes,
            **self._keypoints(found, geometry),
        )
        self._nothing = self._nothing if len(found) else objects
        return objects

    def _found(self, outputs: Sequence[Array], size: Size) -> tuple[Candidates, Array]:
        """What passes, of all heads one after the other, with boxes and keypoints in pixels of the input."""
        found, boxes = [], []
        for head in self._layout.heads:
            passing = select(head, self._specs, outputs, self._min_score)
            allowed = self._classes.mask(passing.class_ids) if self._classes else None
            passing = passing if allowed is None else passing[allowed]
            boxes.append(self._boxes(passing, head, outputs, size))
            found.append(passing)
        joined, together = (found[0], boxes[0]) if len(found) == 1 else (join(found), np.concatenate(boxes))
        low, high = (np.zeros(2), together[:, 2:4]) if self._turned else (together[:, :2], together[:, 2:])
        sound = np.flatnonzero((high > low).all(axis=1) & np.isfinite(together).all(axis=1))
        return (joined, together) if len(sound) == len(joined) else (joined[sound], together[sound])

    def _boxes(self, found: Candidates, head: Head, outputs: Sequence[Array], size: Size) -> Array:
        """`(n, 4)` corners, or `(n, 5)` turned boxes; keypoints are changed in place."""
        if self._layout.coding == "distances":
            return from_distances(found, head.grids, size)
        if self._layout.coding == "offsets":
            return to_corners(from_offsets(found, head.grids, size))
        factor = unit(found.boxes, size)
        boxes = found.boxes * np.tile(factor, 2)
        if self._turned:
            return np.concatenate([boxes, found.extras[:, :1]], axis=1)
        if self._names:
            self._points(found)[:, :, :2] *= factor
        coding = self._layout.coding
        corners = coding == "corners" or (coding == "either" and are_corners(head.boxes, outputs))
        return boxes if corners else to_corners(boxes)

    def _points(self, found: Candidates) -> Array:
        """`(n, k, 2 or 3)` of the extras."""
        return found.extras.reshape(len(found), len(self._names), found.extras.shape[1] // len(self._names))

    def _kept(self, found: Candidates, boxes: Array) -> Array:
        """Rows of the objects that are reported, best first."""
        if self._layout.suppressed:
            return np.argsort(-found.scores, kind="stable")[: self._max_results]
        keep = yolo_rotated.keep_rotated if self._turned else nms.keep
        return keep(boxes, found.scores, self._iou, None if self._agnostic else found.class_ids, self._max_results)

    def _masks(
        self, found: Candidates, boxes: Array, outputs: Sequence[Array], geometry: Geometry
    ) -> tuple[Array, ...] | None:
        """As `Detections` has them."""
        part = self._layout.prototypes
        if part is None:
            return None
        return masks(found.extras, boxes, part, self._specs[part.output], outputs[part.output], geometry)

    def _keypoints(self, found: Candidates, geometry: Geometry) -> dict[str, Any]:
        """As `Detections` has them."""
        if not self._names:
            return {}
        points = self._points(found)
        return {
            "keypoints": geometry.to_frame(points[:, :, :2]),
            "keypoint_names": self._names,
            "keypoint_scores": np.clip(points[:, :, 2], 0.0, 1.0) if points.shape[2] == 3 else None,
        }
