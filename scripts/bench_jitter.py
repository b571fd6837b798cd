"""How steady the boxes of a model are: scripts/bench-jitter MODEL VIDEO...

For each video one line: how far the middle of the lower edge of each followed box lies from the median of the nine
frames around it, in parts of the box's size (the root of its area).
"""

import sys

import numpy as np

import edge_infer as ei
from edge_infer.analyse.track_settings import TrackSettings
from edge_infer.analyse.tracking import Tracker

AROUND = 4  # frames before and after


def deviations(model: ei.Model, video: str) -> list[float]:
    tracker, tracks = Tracker(TrackSettings()), {}
    with ei.open_source(video) as source:
        for result in ei.stream(source, model):
            for one in tracker(result.prediction, result.clock_s, result.size):
                if one.track_id is not None:
                    tracks.setdefault(one.track_id, []).append(one.box)
    found = []
    for boxes in map(np.array, tracks.values()):
        feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
        sizes = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
        for i in range(AROUND, len(feet) - AROUND):
            middle = np.median(feet[i - AROUND : i + AROUND + 1], axis=0)
            found.append(float(np.hypot(*(feet[i] - middle)) / sizes[i]))
    return found


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    model = ei.load(sys.argv[1])
    for video in sys.argv[2:]:
        found = deviations(model, video)
        median, p95, p99, most = np.percentile(found, [50, 95, 99, 100]) if found else (np.nan,) * 4
        print(f"{video}: {len(found)} boxes  median {median:.3f}  95 % {p95:.3f}  99 % {p99:.3f}  most {most:.3f}")


main()
