"""Following objects: which box of this frame is which of the last."""

from dataclasses import replace

import numpy as np

from edge_infer.analyse import kalman
from edge_infer.analyse.assignment import assign
from edge_infer.analyse.track_settings import TrackSettings
from edge_infer.types import Array, Detections, Size

# All of these were found with scripts/bench-tracking, on scenes that are not those of docs/tracking.md.
FARTHEST = 50.0  # squared distance, in standard deviations, beyond which a box cannot be an object
DEAREST = 27.0  # cost of a box that is rather a new object
OVERLAP = 12.0  # cost of a box that does not overlap at all with where its object is expected
CLASS_CHANGE = 5.0  # cost of a box of another class, where that may be
PATIENCE = 2  # frames in a row that may miss an object which has no number yet

Tracks = np.dtype(
    [
        ("id", int),  # -1: none yet
        ("class_id", int),
        ("sightings", int),
        ("misses", int),  # frames in a row
        ("missed_since_s", float),
        ("box", kalman.Boxes),
    ]
)


class Tracker:
    """Gives objects a number that they keep from frame to frame; one for each stream of frames, for one thread.

    Boxes are compared with where the known objects are expected. First those of a good score are shared out, at the
    least cost for all together; then those of a lower score, among the objects that have a number and no box yet (Zhang
    et al., ByteTrack, 2022). What is left of the first begins a new object.
    """

    def __init__(self, settings: TrackSettings) -> None:
        self._settings = settings
        self._last_id = 0
        self.forget()

    def forget(self) -> None:
        """Nothing is known any more; numbers go on, none is given twice."""
        self._tracks = np.zeros(0, Tracks)
        self._at_s: float | None = None

    @property
    def followed(self) -> frozenset[int]:
        """The numbers of the objects that are followed now, whether the last frame showed them or not."""
        ids = self._tracks["id"]
        return frozenset(ids[ids > 0].tolist())

    def __call__(self, detections: Detections, at_s: float, size: Size) -> Detections:
        """The same rows with `track_ids`, -1 where an object has no number (yet).

        `at_s` is on the clock of what was captured (`Result.clock_s`); where it goes back, all is forgotten. While no
        frame comes, nobody is missed: objects are looked for where they were, however long that was.
        """
        if self._at_s is not None and at_s < self._at_s:
            self.forget()
        since_s = 0.0 if self._at_s is None else at_s - self._at_s
        self._at_s = at_s
        if not len(detections) and not len(self._tracks):  # most frames of most cameras
            return replace(detections, track_ids=np.zeros(0, int))
        kalman.predict(self._tracks["box"], since_s)
        rows = _ranked(detections)
        seen, class_ids = kalman.measured(detections.boxes[rows]), detections.class_ids[rows]
        strong = detections.scores[rows] >= self._settings.min_score
        found, boxes = self._share_out(self._cost(seen, class_ids), strong)
        self._see(found, seen[boxes], class_ids[boxes])
        ids = np.full(len(detections), -1)
        ids[rows[boxes]] = self._tracks["id"][found]
        if len(found) < len(self._tracks):
            self._miss(found, at_s, size)
        strong[boxes] = False
        if strong.any():
            ids[rows[strong]] = self._begin(seen[strong], class_ids[strong])
        return replace(detections, track_ids=ids)

    def _cost(self, seen: Array, class_ids: Array) -> Array:
        """Of each box `(m)` for each track `(n)`: `(n, m)`, infinite where it cannot be."""
        state = self._tracks["box"]
        distance, cost = kalman.surprise(state, seen)
        cost += OVERLAP * (1 - kalman.overlap(state, seen))
        cost[distance > FARTHEST] = np.inf
        cost[self._tracks["class_id"][:, None] != class_ids] += CLASS_CHANGE if self._settings.agnostic else np.inf
        return cost

    def _share_out(self, cost: Array, strong: Array) -> tuple[Array, Array]:
        """Tracks and boxes as pairs."""
        good, poor = np.flatnonzero(strong), np.flatnonzero(~strong)
        tracks, columns = assign(cost[:, good], DEAREST)
        if not len(poor):
            return tracks, good[columns]
        waiting = self._tracks["id"] > 0
        waiting[tracks] = False
        rest = np.flatnonzero(waiting)
        more, poor_columns = assign(cost[np.ix_(rest, poor)], DEAREST)
        return np.concatenate([tracks, rest[more]]), np.concatenate([good[columns], poor[poor_columns]])

    def _see(self, found: Array, seen: Array, class_ids: Array) -> None:
        """These tracks are there; who was seen often enough gets a number."""
        tracks = self._tracks
        kalman.update(tracks["box"], found, seen)
        tracks["class_id"][found] = class_ids
        tracks["sightings"][found] += 1
        tracks["misses"][found] = 0
        self._name(found)

    def _miss(self, found: Array, at_s: float, size: Size) -> None:
        """All others are not; who is missed for too long, or has left the picture, is gone."""
        tracks = self._tracks
        missed = np.ones(len(tracks), bool)
        missed[found] = False
        tracks["missed_since_s"][missed & (tracks["misses"] == 0)] = at_s
        tracks["misses"][missed] += 1
        centre = tracks["box"]["value"][:, :2]
        gone = (at_s - tracks["missed_since_s"] >= self._settings.max_missed_s) | (
            (centre < 0) | (centre > np.array(size))
        ).any(axis=1)
        gone |= (tracks["id"] < 0) & (tracks["misses"] >= PATIENCE)
        self._tracks = tracks[~(missed & gone)]

    def _begin(self, seen: Array, class_ids: Array) -> Array:
        """New tracks; the numbers that they have at once."""
        tracks = np.zeros(len(seen), Tracks)
        tracks["id"], tracks["class_id"], tracks["sightings"], tracks["box"] = -1, class_ids, 1, kalman.begin(seen)
        first = len(self._tracks)
        self._tracks = np.concatenate([self._tracks, tracks])
        self._name(np.arange(first, first + len(tracks)))
        return self._tracks["id"][first:]

    def _name(self, rows: Array) -> None:
        """Numbers for those of these tracks that were seen often enough and have none."""
        tracks = self._tracks[rows]
        nameless = rows[(tracks["id"] < 0) & (tracks["sightings"] >= self._settings.confirm)]
        self._tracks["id"][nameless] = self._last_id + 1 + np.arange(len(nameless))
        self._last_id += len(nameless)


def _ranked(detections: Detections) -> Array:
    """Indices of the rows that can be followed, the best first: their order must not matter."""
    boxes, scores = detections.boxes, detections.scores
    order = np.lexsort((*boxes.T, detections.class_ids, -scores))
    usable = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    return order[usable[order]]
