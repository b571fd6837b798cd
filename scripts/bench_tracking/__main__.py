"""FOLDER with the others' environments: a table of how well each tracker does, and what it takes."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench_tracking.metrics import Score, score
from bench_tracking.real import real_scenes
from bench_tracking.scenes import SETTINGS, Scene, make_scene
from edge_infer.types import Array

HERE = Path(__file__).resolve().parent
FIRST_SEED = 11  # 1, 2 and 3 are for tuning

# The environment of each, and its options: ours are the defaults; of the others the best of 30 or more random ones, and
# of their own defaults, on seeds 1 and 2.
TRACKERS: dict[str, tuple[str, dict[str, Any]]] = {
    "edge_infer": ("", {}),
    "edge_infer, confirm: 1": ("", {"confirm": 1}),
    "greedy IoU": ("", {"iou": 0.05, "keep_s": 2.0, "min_score": 0.5}),
    "Norfair": ("norfair", {"distance_threshold": 0.9, "keep_s": 3.0, "delay": 1, "min_score": 0.4}),
    "motpy": ("motpy", {"min_iou": 0.05, "keep_s": 2.0, "alive": 1, "min_score": 0.4}),
    "SORT": (
        "trackers",
        {
            "minimum_iou_threshold": 0.2,
            "keep_s": 3.0,
            "minimum_consecutive_frames": 2,
            "track_activation_threshold": 0.4,
            "min_score": 0.4,
        },
    ),
    "ByteTrack": (
        "trackers",
        {
            "minimum_iou_threshold": 0.05,
            "keep_s": 3.0,
            "minimum_consecutive_frames": 1,
            "track_activation_threshold": 0.6,
            "high_conf_det_threshold": 0.4,
        },
    ),
    "OC-SORT": (
        "trackers",
        {
            "minimum_iou_threshold": 0.05,
            "keep_s": 1.5,
            "minimum_consecutive_frames": 1,
            "high_conf_det_threshold": 0.5,
            "direction_consistency_weight": 0.0,
        },
    ),
    "C-BIoU": (
        "trackers",
        {
            "minimum_iou_threshold_first_assoc": 0.2,
            "keep_s": 2.0,
            "minimum_consecutive_frames": 1,
            "track_activation_threshold": 0.5,
            "high_conf_det_threshold": 0.5,
            "buffer_ratio_first": 0.7,
            "buffer_ratio_second": 0.5,
        },
    ),
}


@dataclass
class Worker:
    """One tracker in its process, and what it has done so far."""

    name: str
    process: "subprocess.Popen[str]"
    scores: dict[str, Score] = field(default_factory=dict)
    us: list[float] = field(default_factory=list)
    rss_mb: float = 0.0

    @classmethod
    def start(cls, name: str, folder: Path) -> "Worker":
        """Starts the process."""
        venv, options = TRACKERS[name]
        python = str(folder / venv / "bin" / "python") if venv else sys.executable
        one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [python, "-W", "ignore", str(HERE / "worker.py"), name, json.dumps(options)],
            env=os.environ | one_thread | {"PYTHONPATH": str(HERE.parents[1]) if not venv else ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return cls(name, process)

    def ask(self, path: Path, scene: Scene) -> None:
        """One scene, scored."""
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(str(path)), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        ids = np.array(answer["ids"], int)
        self.scores[scene.name] = self.scores.get(scene.name, Score()) + score(scene.truth, rows(scene, ids))
        self.us.append(answer["us"])
        self.rss_mb = answer["rss_kb"] / 1024

    def total(self) -> dict[str, Any]:
        """Means over scenes, and sums."""
        scores = list(self.scores.values())
        return {
            "tracker": self.name,
            "mota": float(np.mean([each.mota for each in scores])),
            "idf1": float(np.mean([each.idf1 for each in scores])),
            "switches": sum(each.switches for each in scores),
            "us": float(np.mean(self.us)),
            "rss_mb": self.rss_mb,
        }


def rows(scene: Scene, ids: Array) -> Array:
    """Rows frame, id, box of what was followed."""
    said = ids >= 0
    return np.column_stack([scene.found[said, 0], ids[said], scene.found[said, 1:5]])


def main() -> None:
    """Run all scenes with all trackers."""
    parser = argparse.ArgumentParser(prog="scripts/bench-tracking", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=5, help="scenes of each kind")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(TRACKERS))
    args = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + args.seeds)
    workers = [Worker.start(name, args.folder) for name in args.only]
    scenes = [make_scene(name, seed) for seed in tqdm(seeds, delay=2, disable=None, desc="scenes") for name in SETTINGS]
    scenes += [scene for seed in seeds for scene in real_scenes(args.folder / "motmetrics", seed)]
    with tempfile.TemporaryDirectory() as scratch:
        for number, scene in enumerate(tqdm(scenes, delay=2, disable=None)):
            path = Path(scratch) / f"{number}.npz"
            np.savez(path, at_s=scene.at_s, found=scene.found, fps=scene.fps)
            for worker in workers:
                worker.ask(path, scene)
    for worker in workers:
        worker.process.communicate()
    if args.json:
        print(json.dumps([worker.total() for worker in workers]))
    else:
        show(workers)


def show(workers: list[Worker]) -> None:
    """Two tables in Markdown."""
    print("| tracker | MOTA | IDF1 | switches | us a frame | RSS MB |\n| --- | --- | --- | --- | --- | --- |")
    for total in (worker.total() for worker in workers):
        print("| {tracker} | {mota:.3f} | {idf1:.3f} | {switches} | {us:.0f} | {rss_mb:.0f} |".format(**total))
    print("\n| MOTA / IDF1 | " + " | ".join(worker.name for worker in workers) + " |")
    print("| --- |" + " --- |" * len(workers))
    for scene in workers[0].scores:
        each = [worker.scores[scene] for worker in workers]
        print(f"| {scene} | " + " | ".join(f"{one.mota:.2f} / {one.idf1:.2f}" for one in each) + " |")


if __name__ == "__main__":
    main()
