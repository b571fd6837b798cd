"""One tracker at work, in an environment of its own: worker.py NAME OPTIONS.

Reads files of scenes from stdin, answers with the numbers that the tracker gave.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

# Boxes (n, 4), scores (n,), seconds: the number of each row, -1: none.
Step: TypeAlias = Callable[[Any, Any, float], list[int]]


def main() -> None:
    """Serve until stdin ends."""
    make, options = MAKERS[sys.argv[1].partition(",")[0]], json.loads(sys.argv[2])
    for line in sys.stdin:
        scene = np.load(json.loads(line))
        step = make(float(scene["fps"]), dict(options))
        ids: list[int] = []
        passed = 0.0
        found = scene["found"]
        for frame, at_s in enumerate(scene["at_s"].tolist()):
            rows = found[found[:, 0] == frame]
            boxes, scores = rows[:, 1:5].astype(np.float32), rows[:, 5].astype(np.float32)
            begin = time.perf_counter()
            ids += step(boxes, scores, at_s)
            passed += time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"ids": ids, "us": 1e6 * passed / len(scene["at_s"]), "rss_kb": peak}), flush=True)


def edge_infer(fps: float, options: dict[str, Any]) -> Step:
    """This package's."""
    from edge_infer.analyse.track_settings import TrackSettings
    from edge_infer.analyse.tracking import Tracker
    from edge_infer.types import Detections

    tracker = Tracker(TrackSettings(**options))

    def step(boxes: Any, scores: Any, at_s: float) -> list[int]:
        found = Detections(boxes, scores, np.zeros(len(boxes), int), ("person",) * len(boxes))
        ids = tracker(found, at_s, (1280, 720)).track_ids
        return [] if ids is None else ids.tolist()

    return step


def iou_greedy(fps: float, options: dict[str, Any]) -> Step:
    """The plainest: the last box that overlaps most."""
    overlap, keep_s, least = options.get("iou", 0.3), options.get("keep_s", 1.0), options.get("min_score", 0.5)
    tracks: dict[int, tuple[Any, float]] = {}
    count = 0

    def step(boxes: Any, scores: Any, at_s: float) -> list[int]:
        nonlocal count
        for name in [name for name, (_, seen_s) in tracks.items() if at_s - seen_s > keep_s]:
            del tracks[name]
        pairs = sorted(
            ((iou(box, boxes[row]), name, row) for name, (box, _) in tracks.items() for row in range(len(boxes))),
            reverse=True,
        )
        ids = [-1] * len(boxes)
        for share, name, row in pairs:
            if share >= overlap and ids[row] < 0 and name not in ids and scores[row] >= least:
                ids[row] = name
        for row in range(len(boxes)):
            if ids[row] < 0 and scores[row] >= least:
                count += 1
                ids[row] = count
            if ids[row] >= 0:
                tracks[ids[row]] = boxes[row], at_s
        return ids

    return step


def iou(one: Any, other: Any) -> float:
    """Of two boxes."""
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    common = max(width, 0.0) * max(height, 0.0)
    areas = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return float(common / (areas - common))


def norfair(fps: float, options: dict[str, Any]) -> Step:
    """Norfair on the corners of boxes, distance 1 - IoU as in its examples; `period` from the time that has passed."""
    from norfair import Detection, Tracker

    least = options.pop("min_score", 0.5)
    keep = max(1, round(options.pop("keep_s", 1.0) * fps))
    delay = min(options.pop("delay", 3), keep - 1)
    threshold = options.pop("distance_threshold", 0.7)
    tracker = Tracker("iou", threshold, hit_counter_max=keep, initialization_delay=delay, **options)
    last_s: float | None = None

    def step(boxes: Any, scores: Any, at_s: float) -> list[int]:
        nonlocal last_s
        found = [
            Detection(box.reshape(2, 2), scores=np.full(2, score), data=row, label="person")
            for row, (box, score) in enumerate(zip(boxes, scores, strict=True))
            if score >= least
        ]
        period = 1 if last_s is None else max(1, round((at_s - last_s) * fps))
        last_s = at_s
        ids = [-1] * len(boxes)
        for each in tracker.update(found, period=period):
            if any(each.last_detection is one for one in found):
                ids[each.last_detection.data] = each.id
        return ids

    return step


def motpy(fps: float, options: dict[str, Any]) -> Step:
    """motpy."""
    from motpy import Detection, MultiObjectTracker

    least = options.pop("min_score", 0.5)
    keep, alive = max(1, round(options.pop("keep_s", 1.0) * fps)), options.pop("alive", 3)
    spec = options.pop("model_spec", None)
    tracker = MultiObjectTracker(
        dt=1 / fps,
        **({"model_spec": spec} if spec else {}),
        tracker_kwargs={"max_staleness": keep},
        active_tracks_kwargs={"min_steps_alive": alive, "max_staleness": 1},
        matching_fn_kwargs={"min_iou": options.pop("min_iou", 0.1)},
    )
    names: dict[str, int] = {}

    def step(boxes: Any, scores: Any, at_s: float) -> list[int]:
        rows = [row for row in range(len(boxes)) if scores[row] >= least]
        said = tracker.step([Detection(box=boxes[row], score=float(scores[row])) for row in rows])
        ids = [-1] * len(boxes)
        # What it says are the filtered boxes: each belongs to the detection that overlaps most.
        pairs = sorted(((iou(track.box, boxes[row]), row, track.id) for track in said for row in rows), reverse=True)
        used = set()
        for share, row, name in pairs:
            if share > 0 and ids[row] < 0 and name not in used:
                used.add(name)
                ids[row] = names.setdefault(name, len(names) + 1)
        return ids

    return step


def of_trackers(kind: str) -> Callable[[float, dict[str, Any]], Step]:
    """One of Roboflow's."""

    def make(fps: float, options: dict[str, Any]) -> Step:
        import supervision
        import trackers

        least = options.pop("min_score", 0.0)
        keep = max(1, round(options.pop("keep_s", 1.0) * 30))  # in frames of 30 fps, which it scales to frame_rate
        timed = options.pop("timed", True)
        tracker = getattr(trackers, kind)(frame_rate=fps, lost_track_buffer=keep, **options)

        def step(boxes: Any, scores: Any, at_s: float) -> list[int]:
            rows = np.flatnonzero(scores >= least)
            found = supervision.Detections(
                xyxy=boxes[rows], confidence=scores[rows], class_id=np.zeros(len(rows), int), data={"row": rows}
            )
            said = tracker.update(found, **({"timestamp": at_s} if timed else {}))
            ids = [-1] * len(boxes)
            for row, name in zip(said.data.get("row", ()), said.tracker_id, strict=True):
                ids[int(row)] = int(name)
            return ids

        return step

    return make


MAKERS: dict[str, Callable[[float, dict[str, Any]], Step]] = {
    "edge_infer": edge_infer,
    "greedy IoU": iou_greedy,
    "Norfair": norfair,
    "motpy": motpy,
    "SORT": of_trackers("SORTTracker"),
    "ByteTrack": of_trackers("ByteTrackTracker"),
    "OC-SORT": of_trackers("OCSORTTracker"),
    "C-BIoU": of_trackers("CBIoUTracker"),
}

if __name__ == "__main__":
    main()
