"""Counts, compares with what is stored, and says what takes more."""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from tqdm import tqdm

from bench_instructions.counted import STAGES
from edge_infer.errors import EdgeInferError, UnavailableError
from edge_infer.runtime.libraries import find_library

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FIGURES = HERE / "figures.json"
PICTURE = ROOT / "models/face-detection/sample.jpg"
# What each stands for: anchors and keypoints; boxes of the post-processing op; the best of 1001 classes.
MODELS = {
    "face-detection": ROOT / "models/face-detection",
    "coco_ssd": Path("models/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"),
    "mobilenet_v1_0.25_128": Path("models/mobilenet_v1_0.25_128_quant.tflite"),
}
FRAMES = 20
MORE = 1.05  # more than so many times the stored figure is a regression; runs differ by less than a thousandth
LIMIT_S = 240.0
# The same in each run: no hash seeds, one thread, and where memory is (by setarch).
ENVIRONMENT = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
Counts: TypeAlias = dict[str, dict[str, int]]  # instructions per frame, by model and stage


def main() -> int:
    """Count and print; 1 where something takes more than it did."""
    parser = argparse.ArgumentParser(prog="scripts/bench-instructions")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--update", action="store_true", help="store these figures for this combination of versions")
    parser.add_argument("--frames", type=int, default=FRAMES, metavar="N", help=f"of each stage (default: {FRAMES})")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="only these")
    parser.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE", help="where figures are stored")
    parser.add_argument("--extra", type=int, default=0, metavar="N", help="N needless calls of numpy in each decoding")
    args = parser.parse_args()
    try:
        counts = count_all(find_models(args.models), args.frames, args.extra)
    except EdgeInferError as error:
        print(f"scripts/bench-instructions: {error}", file=sys.stderr)
        return error.exit_code
    stored: dict[str, Counts] = json.loads(args.figures.read_text()) if args.figures.is_file() else {}
    key = combination()
    before = stored.get(key, {})
    if args.update:
        stored[key] = before | counts
        args.figures.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
    more = regressions(counts, before)
    if args.json:
        print(json.dumps({"combination": key, "instructions": counts, "more": more}))
    else:
        print(table(key, counts, before))
    for line in more:
        print(f"scripts/bench-instructions: {line}", file=sys.stderr)
    return int(bool(more) and not args.update)


def combination() -> str:
    """What the figures depend on beside our own code."""
    flags = Path("/proc/cpuinfo").read_text().split()
    parts = (
        platform.machine() + (" avx2" if "avx2" in flags else ""),
        f"Python {sys.version_info.major}.{sys.version_info.minor}",
        f"numpy {np.__version__}",
        f"OpenCV {cv2.__version__}",
        str(find_library()),
        f"msgspec {version('msgspec')}",
    )
    return ", ".join(parts)


def find_models(names: list[str]) -> dict[str, Path]:
    """Those of this repository, and those of the test data where it is there."""
    data = Path(os.environ.get("EDGE_INFER_TESTDATA", ROOT.parent / "shared/testdata"))
    paths = {name: data / MODELS[name] for name in names}  # an absolute path stays as it is
    return {name: path for name, path in paths.items() if path.exists()}


def count_all(models: Mapping[str, Path], frames: int, extra: int = 0) -> Counts:
    """Instructions per frame of each stage.

    Raises:
        UnavailableError: valgrind or gcc is missing, or a run failed.
    """
    for program in ("valgrind", "gcc", "setarch"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is not installed: apt install valgrind gcc libc6-dev util-linux")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        library = folder / "marks.so"
        _run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(library), str(HERE / "marks.c")])
        return {
            name: count(path, folder / name, library, frames, extra)
            for name, path in tqdm(models.items(), desc="models", unit="model", delay=2, disable=None, leave=False)
        }


def count(model: Path, folder: Path, library: Path, frames: int, extra: int) -> dict[str, int]:
    """Instructions per frame of each stage, for one model."""
    folder.mkdir()
    command = [
        *("setarch", "--addr-no-randomize", "valgrind", "--tool=callgrind", "--quiet"),
        *("--instr-atstart=no", "--collect-atstart=no", f"--callgrind-out-file={folder}/out"),
        *(sys.executable, "-m", "bench_instructions.counted"),
        *(str(library), str(frames), str(model), str(PICTURE), str(extra)),
    ]
    _run(command)
    totals = {}
    for path in folder.glob("out.*"):
        text = path.read_text()
        stage = re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.MULTILINE)
        total = re.search(r"^totals: (\d+)$", text, re.MULTILINE)
        if stage and total:
            totals[stage[1]] = int(total[1])
    if set(totals) != set(STAGES):
        raise UnavailableError(
            f"callgrind has counted {sorted(totals)} only: `valgrind --version` should be 3.16 or newer"
        )
    found = {stage: round((totals[stage] - totals["nothing"]) / frames) for stage in STAGES if stage != "nothing"}
    return {**found, "pipeline": sum(found.values())}


def _run(command: list[str]) -> None:
    environment = os.environ | ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, ROOT)))}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment)
    if ran.returncode:
        raise UnavailableError(f"`{' '.join(command[:4])} ...` failed: {ran.stderr.strip()[-2000:]}")


def regressions(counts: Counts, before: Counts) -> list[str]:
    """A sentence for each stage that takes more than it did."""
    return [
        f"{model}: {stage} takes {now} instructions a frame, {now / then - 1:+.1%} against {then}"
        for model, stages in counts.items()
        for stage, now in stages.items()
        if (then := before.get(model, {}).get(stage)) and now > MORE * then
    ]


def table(key: str, counts: Counts, before: Counts) -> str:
    """For people."""
    lines = [key if before else f"{key}: nothing is stored for these versions"]
    for model, stages in counts.items():
        for stage, now in stages.items():
            then = before.get(model, {}).get(stage)
            lines.append(f"{model:<24} {stage:<10} {now:>10,}" + (f"  {now / then - 1:+7.2%}" if then else ""))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
