"""Whether a quantised face detector still says what the float one says."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from build_models.pictures import Named
from edge_infer.decode.nms import iou
from edge_infer.loading import load
from edge_infer.types import Detections

# The float model's own score may be this near to the threshold: then either answer is right.
UNDECIDED = 0.1
MIN_IOU = 0.85  # of each best box that the float model is sure of with a box of the quantised one
MIN_MEAN_IOU = 0.95
MAX_SCORE_DIFFERENCE = 0.15
MAX_MEAN_SCORE_DIFFERENCE = 0.05
THRESHOLD = 0.5


@dataclass(frozen=True)
class Row:
    """One picture: best score of each model, overlap of their best boxes (NaN where one has none)."""

    name: str
    reference: float
    quantised: float
    overlap: float

    @property
    def decided(self) -> bool:
        """True where the float model's answer is not a toss-up."""
        return abs(self.reference - THRESHOLD) >= UNDECIDED

    @property
    def agrees(self) -> bool:
        """True where both say face, or both say none."""
        return (self.reference >= THRESHOLD) == (self.quantised >= THRESHOLD)


def compare(reference: Path, quantised: Path, pictures: Iterable[Named]) -> list[Row]:
    """Both models on each picture, through the product's own preparation and decoding."""
    with load(reference, min_score=0.05) as float_model, load(quantised, min_score=0.05) as model:
        return [_row(name, float_model(picture).prediction, model(picture).prediction) for name, picture in pictures]


def verdict(rows: list[Row]) -> list[str]:
    """What is wrong; empty if the model may ship."""
    decided = [row for row in rows if row.decided]
    wrong = [row.name for row in decided if not row.agrees]
    overlaps = [row.overlap for row in decided if row.agrees and row.reference >= THRESHOLD]
    differences = [abs(row.reference - row.quantised) for row in rows]
    difference, largest = float(np.mean(differences)), max(differences)
    mean_iou, least = (float(np.mean(overlaps)), min(overlaps)) if overlaps else (0.0, 0.0)
    checks = {
        f"face or none is decided otherwise on {', '.join(wrong)}": not wrong,
        f"mean IoU {mean_iou:.3f} is below {MIN_MEAN_IOU}": mean_iou >= MIN_MEAN_IOU,
        f"an IoU of {least:.3f} is below {MIN_IOU}": least >= MIN_IOU,
        f"a score difference of {largest:.3f} is above {MAX_SCORE_DIFFERENCE}": largest <= MAX_SCORE_DIFFERENCE,
        f"mean score difference {difference:.3f} is above {MAX_MEAN_SCORE_DIFFERENCE}": (
            difference <= MAX_MEAN_SCORE_DIFFERENCE
        ),
    }
    return [problem for problem, passed in checks.items() if not passed]


def summary(rows: list[Row]) -> str:
    """The figures of the model card."""
    decided = [row for row in rows if row.decided]
    overlaps = [row.overlap for row in decided if row.reference >= THRESHOLD]
    differences = [abs(row.reference - row.quantised) for row in rows]
    return (
        f"{len(rows)} pictures, {len(decided)} decided by the float model, {sum(row.agrees for row in decided)} of "
        f"them alike; {len(overlaps)} with a face, IoU {np.mean(overlaps):.3f} (worst {min(overlaps):.3f}); "
        f"score difference {np.mean(differences):.3f} (worst {max(differences):.3f})"
    )


def table(rows: list[Row]) -> str:
    """The comparison for people."""
    lines = [f"{'picture':<32} float  int8   IoU"]
    for row in rows:
        note = "" if row.agrees else "  DISAGREES" if row.decided else "  undecided"
        lines.append(f"{row.name:<32} {row.reference:.3f}  {row.quantised:.3f}  {row.overlap:.3f}{note}")
    return "\n".join(lines)


def _row(name: str, reference: object, quantised: object) -> Row:
    assert isinstance(reference, Detections)
    assert isinstance(quantised, Detections)
    scores = [float(found.scores[0]) if len(found) else 0.0 for found in (reference, quantised)]
    both = len(reference) and len(quantised)
    sure = quantised.boxes[quantised.scores >= min(THRESHOLD, scores[1])] if both else []
    overlap = float(iou(reference.boxes[0], sure).max()) if both else float("nan")
    return Row(name, *scores, overlap)
