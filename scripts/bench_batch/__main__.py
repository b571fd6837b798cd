"""How fast a folder of pictures goes through the face detector, by who does it; they take turns in one run."""

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np

from edge_infer.loading import load
from edge_infer.sources.images import read_image
from edge_infer.tools.batch.rows import row_of

MODEL = Path(__file__).resolve().parents[2] / "models/face-detection"
SIZE = (640, 480)


@dataclass(frozen=True)
class Turn:
    """One contender in one round; `start_s` of the seconds were over at the first row."""

    pictures: int
    seconds: float
    start_s: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench-batch")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--pictures", type=int, default=1000, metavar="N")
    args = parser.parse_args()
    contenders: dict[str, Callable[[Path, Path], Turn]] = {
        "loop": loop,
        "1 worker": lambda folder, out: batch(folder, out, "--workers", "1"),
        "2 workers": lambda folder, out: batch(folder, out, "--workers", "2"),
    }
    if importlib.util.find_spec("ray"):
        contenders["2 workers on Ray"] = lambda folder, out: batch(folder, out, "--engine", "ray", "--workers", "2")
    turns: dict[str, list[Turn]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory(prefix="edge-infer-bench-") as name:
        folder = draw(Path(name) / "pictures", args.pictures)
        for number in range(args.rounds):
            for contender, run in contenders.items():
                turns[contender].append(run(folder, Path(name) / f"{contender}{number}.jsonl"))
    found = [speed(contender, turns[contender]) for contender in contenders]
    if args.json:
        print(json.dumps({"batch": found}))
        return 0
    print(f"{args.pictures} JPEGs of {SIZE[0]}x{SIZE[1]}, medians of {args.rounds} rounds")
    for row in found:
        print(
            f"{row['who']:<18} {row['whole']:>7}/s, {row['running']:>7}/s once it runs, {row['start_s']} s until then"
        )
    return 0


def draw(folder: Path, count: int) -> Path:
    """A folder of pictures, each another: the sample in a different place, with noise as a camera has it."""
    folder.mkdir()
    random = np.random.default_rng(0)
    sample = cv2.resize(read_image(MODEL / "sample.jpg"), SIZE)
    for number in range(count):
        noise = random.integers(0, 16, sample.shape, np.uint8)
        cv2.imwrite(str(folder / f"{number}.jpg"), cv2.add(np.roll(sample, 7 * number, axis=1), noise))
    return folder


def loop(folder: Path, out: Path) -> Turn:
    """What one writes in a minute."""
    started = time.monotonic()
    start_s = 0.0
    paths = list(folder.iterdir())
    with load(MODEL) as model, out.open("wb") as file:
        for path in paths:
            file.write(msgspec.json.encode(row_of(str(path), model(path))) + b"\n")
            start_s = start_s or time.monotonic() - started
    return Turn(len(paths), time.monotonic() - started, start_s)


def batch(folder: Path, out: Path, *options: str) -> Turn:
    """All of it, as a command: with resuming, order, durability."""
    command = [sys.executable, "-m", "edge_infer", "batch", str(folder), "--model", str(MODEL), "--out", str(out)]
    started = time.monotonic()
    ended = subprocess.run([*command, "--json", *options], stdout=subprocess.PIPE, check=True)
    seconds = time.monotonic() - started
    done = json.loads(ended.stdout)
    return Turn(done["new"], seconds, seconds - (done["seconds"] - done["start_s"]))


def speed(who: str, turns: list[Turn]) -> dict[str, str | float]:
    """Medians of the turns."""

    def median(of: Callable[[Turn], float], digits: int) -> float:
        return round(statistics.median(map(of, turns)), digits)

    return {
        "who": who,
        "whole": median(lambda turn: turn.pictures / turn.seconds, 1),
        "running": median(lambda turn: turn.pictures / (turn.seconds - turn.start_s), 1),
        "start_s": median(lambda turn: turn.start_s, 2),
    }


if __name__ == "__main__":
    raise SystemExit(main())
