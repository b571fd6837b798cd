"""A second model that is asked about each object of the first: whose face, which bird, is the helmet on."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_infer.analyse.geometry import Box, overlap
from edge_infer.decode.decoder import ClassFilter
from edge_infer.errors import DelegateError, InputError, ModelError
from edge_infer.model import Model
from edge_infer.types import Array, Detections, Frame, Keypoints, Prediction, Result

log = logging.getLogger(__name__)

FIRST = ("detect", "pose", "segment")  # tasks of first models: those whose answers are objects, each with its box
# What the second may say, as `types/predictions.py` has it, and what of that stays true while an object moves.
TASKS = ("classify", "embed", "regress", "anomaly", "pose", "detect")
KEPT = TASKS[:4]
SAME = 0.5  # overlap with which a box is that of the frame before. Source: Pascal VOC challenge, IJCV 88, 2010, 4.2
SLOWER = 4.0  # than the slowest answer so far: on a board whose cores are all busy


@dataclass(frozen=True, slots=True)
class Asking:
    """Which objects are asked about, and how; as `CascadeSettings` explains it."""

    labels: tuple[str, ...] = ()
    margin: float = 0.1
    min_size_px: int = 16
    max_crops: int = 5
    every_s: float | None = None


@dataclass(slots=True, eq=False)
class _Asked:
    """An object that was asked about."""

    class_id: int
    box: Box
    detail: Prediction
    at_s: float


class Cascade:
    """What a model is asked after another one; for one thread. See `model.Second`."""

    def __init__(self, model: Model, filter_: ClassFilter, asking: Asking) -> None:
        self.model = model
        self.trouble: str | None = None
        self._filter = filter_
        self._asking = asking
        self._asked: list[_Asked] = []
        self._slowest_s = 0.0
        self._ask(Frame("trial", 0, np.full((64, 64, 3), 128, np.uint8), 0.0, 0))  # how long it takes

    @property
    def limit_s(self) -> float:
        """How long it may take for all objects of a frame."""
        return self._asking.max_crops * max(self.model.limit_s or 0.0, SLOWER * self._slowest_s)

    def forget(self) -> None:
        """Nothing of what was asked before is true any more."""
        self._asked = []

    def __call__(self, frame: Frame, result: Result) -> Result:
        """The result with details of its objects; degraded where one is missing that should be there."""
        found = result.prediction
        if found is None:
            return result
        if not isinstance(found, Detections):
            raise ModelError(f"{result.model} finds no boxes, nothing can be asked about them: leave out the cascade")
        started = time.perf_counter()
        failure: str | None = None
        details: list[Prediction | None] = [None] * len(found)
        asked = 0
        self._asked = [one for one in self._asked if self._is_fresh(one, frame.clock_s)]
        for row, class_id, box, known in self._wanted(found):
            if known:
                details[row] = known.detail
            elif asked < self._asking.max_crops:
                asked += 1
                view, origin = crop(frame.data, box, self._asking.margin)
                said, why = self._ask(replace(frame, data=view))
                failure = failure or why
                details[row] = detail = moved(said, origin)
                if self._asking.every_s is not None and detail is not None:
                    self._asked.append(_Asked(class_id, box, detail, frame.clock_s))
        ms = (time.perf_counter() - started) * 1e3
        result = replace(
            result,
            prediction=replace(found, details=tuple(details)),
            timings_ms={**result.timings_ms, "cascade": ms},
        )
        if asked:
            self._tell(failure)
        if failure is None:
            return result
        return replace(result, status="degraded", error=f"{result.error}; {failure}" if result.error else failure)

    def _is_fresh(self, one: _Asked, now_s: float) -> bool:
        return self._asking.every_s is not None and 0.0 <= now_s - one.at_s < self._asking.every_s

    def _wanted(self, found: Detections) -> list[tuple[int, int, Box, _Asked | None]]:
        """Row, class and box of what is to be asked about, best first, and what is known of that object already."""
        sides = found.boxes[:, 2:] - found.boxes[:, :2]
        wanted = (sides >= self._asking.min_size_px).all(axis=1)
        if (mask := self._filter.mask(found.class_ids)) is not None:
            wanted &= mask
        left = list(self._asked)
        rows: list[tuple[int, int, Box, _Asked | None]] = []
        for row in np.flatnonzero(wanted).tolist():
            class_id, box = int(found.class_ids[row]), tuple(found.boxes[row].tolist())
            same = [one for one in left if one.class_id == class_id and overlap(one.box, box) >= SAME]
            known = max(same, key=lambda one: overlap(one.box, box), default=None)
            if known:
                left.remove(known)
                known.box = box
            rows.append((row, class_id, box, known))
        return rows

    def _ask(self, frame: Frame) -> tuple[Prediction | None, str | None]:
        """What it says, and what is wrong with that."""
        started = time.perf_counter()
        why: str | None
        self.model.forget()  # one object has nothing to do with the other
        try:
            result = self.model.predict(frame)
        except (InputError, ModelError, DelegateError) as error:
            said, why = None, str(error)
        else:
            said = result.prediction
            why = None if result.status == "ok" else result.error or result.status
        self._slowest_s = max(self._slowest_s, time.perf_counter() - started)
        return said, why and f"the second model, {self.model.id}: {why}"

    def _tell(self, why: str | None) -> None:
        if why and not self.trouble:
            log.warning("%s", why)
        self.trouble = why


def cascade(
    first: Model,
    second: Model,
    *,
    labels: Sequence[str] = (),
    margin: float = 0.1,
    min_size_px: int = 16,
    max_crops: int = 5,
    every_s: float | None = None,
) -> Model:
    """The first model, which from now on asks the second one about each of its objects; closing it closes both.

    Args:
        first: a detector
        second: classifies, embeds, measures, or finds points or objects in the part of the picture around an object
        labels: of the objects that are asked about; none: all
        margin: what is shown around an object, as a part of its width and height
        min_size_px: objects whose box is narrower or lower are too small
        max_crops: of a frame at most, best first
        every_s: ask about an object that is still there only this often; None: in each frame

    Raises:
        ModelError: the two do not go together, or the first one has no such label.
    """
    if first.wanted or first.task not in FIRST:
        raise ModelError(f"{first.id} finds no objects in pictures, its task is {first.task}: begin with a detector")
    if second.wanted or second.task not in TASKS:
        raise ModelError(
            f"{second.id} cannot be asked about objects, its task is {second.task}; those that can: {', '.join(TASKS)}"
        )
    if every_s is not None and second.task not in KEPT:
        raise ModelError(
            f"{second.id} finds places in a picture, which are true for one frame only: leave out every_s for it"
        )
    asking = Asking(tuple(labels), margin, min_size_px, max_crops, every_s)
    first.second = Cascade(second, ClassFilter(first.recipe.labels, labels), asking)
    return first


def crop(image: Array, box: Box, margin: float) -> tuple[Array, tuple[int, int]]:
    """The part of a picture (a view) around a box, and its origin; at least one pixel."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    dx, dy = margin * (x1 - x0), margin * (y1 - y0)
    left, top = (int(np.clip(math.floor(v), 0, most - 1)) for v, most in ((x0 - dx, width), (y0 - dy, height)))
    right = int(np.clip(math.ceil(x1 + dx), left + 1, width))
    bottom = int(np.clip(math.ceil(y1 + dy), top + 1, height))
    return image[top:bottom, left:right], (left, top)


def moved(said: Prediction | None, origin: tuple[int, int]) -> Prediction | None:
    """What was said of a part of a picture, in pixels of the whole."""
    shift = np.asarray(origin, np.float32)
    match said:
        case Keypoints():
            return replace(said, points=said.points + shift)
        case Detections():
            return replace(
                said,
                boxes=said.boxes + np.tile(shift, 2),
                keypoints=None if said.keypoints is None else said.keypoints + shift,
                corners=None if said.corners is None else said.corners + shift,
            )
    return said
