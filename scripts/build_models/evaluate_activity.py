"""How good models/activity is on the windows that it was not trained on: `scripts/evaluate-activity`.

The windows are written as CSV, one after the other, and given to `edge-infer infer`, as anybody would do it.
"""

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import permutations, product
from pathlib import Path

import numpy as np

from build_models import basic_motions
from build_models.activity import BUNDLE, CACHE, FLOAT
from build_models.basic_motions import CHANNELS, LABELS, UNITS
from edge_infer.types import Array

GRAVITY = 9.81  # m/s^2
WILSON = 1.96  # standard deviations: 95 %


def main() -> int:
    windows, places = basic_motions.cases(basic_motions.fetch(CACHE), "TEST")
    shown = {name: folder for name, folder in (("int8", BUNDLE), ("float", FLOAT)) if folder.is_dir()}
    print(f"{'held-out windows':<40} " + " ".join(f"{name:<24}" for name in shown))
    for what, variants in altered(windows).items():
        cells = [_cell(*right(folder, variants, places), len(variants)) for folder in shown.values()]
        print(f"{what:<40} " + " ".join(f"{cell:<24}" for cell in cells))
    return 0


def altered(windows: Array) -> dict[str, list[Array]]:
    """The windows, and what may become of them at other people's."""
    gravity = np.array([0, 0, GRAVITY, 0, 0, 0], np.float32)
    mirror = np.array([-1, 1, 1, 1, -1, -1], np.float32)  # of a turning, the other two axes are mirrored
    in_g = np.array([GRAVITY] * 3 + [1] * 3, np.float32)
    turns = [np.concatenate([windows[..., :3] @ turn, windows[..., 3:] @ turn], axis=2) for turn in _turns()]
    return {
        "as recorded": [windows],
        "with gravity along z": [windows + gravity],
        "acceleration in g": [windows / in_g],
        "mirrored, as on the other wrist": [windows * mirror],
        "turned by right angles, all 23 ways": turns,
    }


def right(model: Path, variants: Sequence[Array], places: Array) -> tuple[int, int]:
    """(how many windows get their label, of how many)."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"replay-{number}.csv" for number in range(len(variants))]
        for file, windows in zip(files, variants, strict=True):
            write_csv(file, windows)
        said = list(labels(model, files))
    expected = [LABELS[place] for place in places] * len(variants)
    return sum(a == b for a, b in zip(said, expected, strict=True)), len(expected)


def write_csv(path: Path, windows: Array) -> None:
    """Rows of readings, 10 a second; times are seconds."""
    rows = windows.reshape(-1, len(CHANNELS))
    names = ",".join(f"{name} [{unit}]" for name, unit in zip(CHANNELS, UNITS, strict=True))
    times = np.arange(len(rows)) / basic_motions.RATE_HZ
    np.savetxt(path, np.column_stack([times, rows]), "%.6g", ",", header=f"time,{names}", comments="")


def labels(model: Path, files: Sequence[Path]) -> Iterator[str]:
    """The best label of each window of each file, as `edge-infer infer` says it."""
    command = [sys.executable, "-m", "edge_infer", "infer", "--json", "--model", model, "--overlap", "0", *files]
    answered = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    for line in answered.stdout.splitlines():
        for window in json.loads(line)["windows"]:
            yield window["classes"][0]["label"]


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The interval of a share. Source: Wilson, "Probable inference", 1927."""
    share, z2 = hits / count, WILSON**2 / count
    middle, half = share + z2 / 2, WILSON * math.sqrt(share * (1 - share) / count + z2 / (4 * count))
    return max(0.0, (middle - half) / (1 + z2)), min(1.0, (middle + half) / (1 + z2))


def _cell(hits: int, count: int, variants: int) -> str:
    """With its interval, where each window counts once."""
    low, high = wilson(hits, count)
    return f"{hits}/{count} {hits / count:.2f}" + (f" ({low:.2f}-{high:.2f})" if variants == 1 else "")


def _turns() -> Iterator[Array]:
    """The rotations that move axes onto axes, but for the one that moves nothing."""
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        turn = np.zeros((3, 3), np.float32)
        turn[range(3), axes] = signs
        if np.linalg.det(turn) > 0 and not np.array_equal(turn, np.eye(3)):
            yield turn


if __name__ == "__main__":
    sys.exit(main())
