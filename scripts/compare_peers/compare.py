"""A table: what Ultralytics and edge_infer say of PICTURE... with each model of FOLDER."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

import edge_infer
from edge_infer.types import Array, Detections, Mask

CLOSE = 1.0  # pixels that corners of the same object may be apart


def main() -> None:
    """Compare, and print."""
    pictures = sys.argv[2:]
    print(f"{'model':<16}{'theirs':>8}{'ours':>6}{'same':>6}  worst of the same")
    for path in sorted(Path(sys.argv[1]).glob("*.tflite")):
        said = np.load(path.with_suffix(".npz"))
        with edge_infer.load(path, device="cpu") as model:
            answers = [model(picture).prediction for picture in pictures]
        maps = [answer for answer in answers if isinstance(answer, Mask)]
        if maps:
            shares = [np.mean(each.class_map == said[f"semantic_mask{number}"]) for number, each in enumerate(maps)]
            print(f"{path.stem:<16}{'':>20}  {min(shares):.1%} of the pixels")
            continue
        found = [answer for answer in answers if isinstance(answer, Detections)]
        rows = [objects(said, number, answer) for number, answer in enumerate(found)]
        theirs, ours, same = (sum(counts[column] for counts, _ in rows) for column in range(3))
        worst = {name: max(apart[name] for _, apart in rows) for name in rows[0][1]}
        listed = ", ".join(f"{name} {value:.3f}" for name, value in worst.items())
        print(f"{path.stem:<16}{theirs:>8}{ours:>6}{same:>6}  {listed}")


def objects(said: Any, number: int, ours: Detections) -> tuple[tuple[int, int, int], dict[str, float]]:
    """How many they have in the picture, how many we have, how many are the same, and how far those are apart."""
    table = said[f"boxes{number}" if ours.corners is None else f"obb{number}"]
    scores, classes = table[:, -2], table[:, -1]
    if ours.corners is not None:
        theirs, mine = said[f"corners{number}"], ours.corners
        apart = np.full((len(theirs), len(ours)), np.inf)
        for order in [(np.arange(4) * step + first) % 4 for step in (1, -1) for first in range(4)]:
            apart = np.minimum(apart, np.abs(theirs[:, None, order] - mine[None]).max(axis=(2, 3)))
        inside = (np.ptp(np.clip(theirs, 0, said[f"size{number}"]), axis=1) > 0).all(axis=1)
    else:
        theirs = table[:, :4]
        apart = np.abs(theirs[:, None] - ours.boxes[None]).max(axis=2)
        inside = (theirs[:, 2:] > theirs[:, :2]).all(axis=1)
    apart = apart + 1e6 * (classes[:, None] != ours.class_ids) + 100 * np.abs(scores[:, None] - ours.scores)
    pairs = [(row, column) for row, column in matched(apart) if inside[row] and apart[row, column] < CLOSE]
    worst = {
        "box px": max((float(apart[pair]) for pair in pairs), default=0.0),
        "score": max((abs(float(scores[row] - ours.scores[column])) for row, column in pairs), default=0.0),
    }
    if ours.keypoints is not None:
        points = said[f"keypoints{number}"][..., :2]
        worst["keypoint px"] = max((float(np.abs(points[r] - ours.keypoints[c]).max()) for r, c in pairs), default=0.0)
    if ours.masks is not None:
        worst["pixels of masks"] = masks_apart(said[f"masks{number}"].astype(bool), ours, pairs)
    return (int(inside.sum()), len(ours), len(pairs)), worst


def matched(apart: Array) -> list[tuple[int, int]]:
    """Each of theirs with the nearest of ours that is not taken, the nearest pairs first."""
    pairs, rows, columns = [], set[int](), set[int]()
    for place in np.argsort(apart, axis=None):
        row, column = divmod(int(place), apart.shape[1])
        if row not in rows and column not in columns:
            pairs.append((row, column))
            rows.add(row)
            columns.add(column)
    return pairs


def masks_apart(theirs: Array, ours: Detections, pairs: list[tuple[int, int]]) -> float:
    """The share of all pixels of masks that only one of the two has."""
    differ = together = 0
    found = list(ours)
    for row, column in pairs:
        mask, box = found[column].mask, found[column].box
        assert mask is not None
        left, top = int(box[0]), int(box[1])
        whole = np.zeros_like(theirs[row])
        whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
        differ += int(np.count_nonzero(whole ^ theirs[row]))
        together += int(np.count_nonzero(whole | theirs[row]))
    return differ / max(together, 1)


if __name__ == "__main__":
    main()
