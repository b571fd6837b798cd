"""What gates save, cost and miss."""

import argparse
import json
import os
import statistics
import tempfile
import time
import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import edge_infer as ei
from bench_gates.scenes import FPS, STILL, Camera, still, videos, walking
from edge_infer.analyse.gate_settings import MotionGate
from edge_infer.analyse.hold import Hold
from edge_infer.analyse.motion_gate import Stirring
from edge_infer.sources.images import read_image
from edge_infer.types import Array

ROOT = Path(__file__).resolve().parents[2]
DETECTOR = "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
EARS = "yamnet_audio_classifier_with_metadata.tflite"
SIZE = (640, 480)
ROUNDS = 3
WALKERS = [(height, contrast) for height in (24, 48, 120, 240) for contrast in (20, 40)]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench-gates")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="of each still scene")
    parser.add_argument("--model", type=Path, metavar="M", help="what the CPU's time is spent on")
    parser.add_argument("--no-videos", action="store_true", help="fetch nothing")
    args = parser.parse_args()
    tested = Path(os.environ.get("EDGE_INFER_TESTDATA", ROOT.parent / "shared/testdata")) / "models" / DETECTOR
    model = args.model or (tested if tested.is_file() else ROOT / "models/face-detection")
    picture = cv2.resize(read_image(ROOT / "models/face-detection/sample.jpg"), SIZE)
    found: dict[str, Any] = {"model": model.stem, "gate_ms": gate_ms(picture)}
    found["cpu"] = pictures(model, picture, args.seconds)
    ears = tested.with_name(EARS)
    if ears.is_file():
        found["cpu_of_sound"] = sound(ears, args.seconds)
    found["still"] = {name: opened(still(picture, args.seconds, camera)) for name, camera in STILL.items()}
    found["walkers"] = [walker(picture, height, contrast) for height, contrast in WALKERS]
    if not args.no_videos:
        found["videos"] = {name: video(fps, frames) for name, (fps, frames) in videos().items()}
    print(json.dumps(found) if args.json else table(found))
    return 0


def cpu(model: Path, path: Path, seconds: float, gates: dict[str, Any]) -> dict[str, dict[str, float]]:
    """CPU seconds for a minute of a file in which nothing happens, by gate; they take turns."""
    spent: dict[str, list[float]] = {name: [] for name in gates}
    looked: dict[str, int] = {}
    for _ in range(ROUNDS):
        for name, gate in gates.items():
            with ei.open_source(path) as source, ei.load(model) as loaded:
                began = time.process_time()
                looked[name] = sum(1 for _ in ei.stream(source, loaded, gate=ei.gate(**gate) if gate else None))
                spent[name].append((time.process_time() - began) * 60.0 / seconds)
    most = max(looked.values())
    return {
        name: {"cpu_s": statistics.median(values), "looked_at": looked[name] / most} for name, values in spent.items()
    }


def pictures(model: Path, picture: Array, seconds: float) -> dict[str, dict[str, float]]:
    """A still scene at 10 fps, decoded from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "still.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE)
        for frame in still(picture, seconds, Camera()):
            writer.write(frame)
        writer.release()
        return cpu(
            model, path, seconds, {"no gate": None, "motion": {"motion": {}}, "stride": {"stride": {"every": 4}}}
        )


def sound(model: Path, seconds: float) -> dict[str, dict[str, float]]:
    """A quiet room: noise of -60 dBFS at 16 kHz."""
    noise = np.random.default_rng(0).normal(0.0, 32768 * 10 ** (-60 / 20), round(16_000 * seconds))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quiet.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(noise.astype(np.int16).tobytes())
        return cpu(model, path, seconds, {"no gate": None, "quiet": {"quiet": {}}})


def gate_ms(picture: Array) -> float:
    """How much CPU time the gate takes for one picture."""
    stirring, times = Stirring(MotionGate()), []
    for number in range(300):
        began = time.process_time()
        stirring(picture, number / FPS)
        times.append((time.process_time() - began) * 1e3)
    return statistics.median(times)


def opened(pictures: Iterable[Array]) -> dict[str, float]:
    """Shares of the frames of a still scene in which something seems to move, and that are looked at."""
    settings = MotionGate()
    stirring, hold = Stirring(settings), Hold(settings.hold_s, settings.at_least_s)
    moved = [stirring(picture, number / FPS) for number, picture in enumerate(pictures)]
    looked = [hold(number / FPS, happens=one) for number, one in enumerate(moved)]
    return {"moves": float(np.mean(moved[1:])), "looked_at": float(np.mean(looked))}


def walker(picture: Array, height: int, contrast: int) -> dict[str, float]:
    """Frames in which somebody walks, and those of them that are left out."""
    settings = MotionGate()
    stirring, hold = Stirring(settings), Hold(settings.hold_s, settings.at_least_s)
    there = missed = unmoved = 0
    for number, (frame, is_there) in enumerate(walking(picture, height, contrast, 40.0)):
        moves = stirring(frame, number / FPS)
        looked = hold(number / FPS, happens=moves)
        there += is_there
        missed += is_there and not looked
        unmoved += is_there and not moves
    return {"height_px": height, "contrast": contrast, "frames": there, "unmoved": unmoved, "left_out": missed}


def video(fps: float, frames: list[Array]) -> dict[str, int]:
    """The same of a video in which something moves in every frame."""
    settings = MotionGate()
    stirring, hold = Stirring(settings), Hold(settings.hold_s, settings.at_least_s)
    moved = [stirring(frame, number / fps) for number, frame in enumerate(frames)]
    looked = [hold(number / fps, happens=one) for number, one in enumerate(moved)]
    return {"frames": len(frames), "unmoved": moved.count(False), "left_out": looked.count(False)}


def table(found: dict[str, Any]) -> str:
    """The same for people, as it stands in docs/gates.md."""
    lines = ["| nothing happens | gate | CPU s for a minute | looked at |", "| --- | --- | --- | --- |"]
    for scene, key in ((f"640x480 at 10 fps, {found['model']}", "cpu"), ("16 kHz, YAMNet", "cpu_of_sound")):
        for name, one in found.get(key, {}).items():
            lines.append(f"| {scene} | {name} | {one['cpu_s']:.2f} | {one['looked_at']:.1%} |")
    lines += [
        "",
        f"The motion gate takes {found['gate_ms']:.2f} ms of CPU for a picture.",
        "",
        "| still scene | seems to move | looked at |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {name} | {one['moves']:.1%} | {one['looked_at']:.1%} |" for name, one in found["still"].items()]
    lines += ["", "| who moves | frames | no motion seen | left out |", "| --- | --- | --- | --- |"]
    shown: Callable[[dict[str, Any]], str] = lambda one: f"{one['frames']} | {one['unmoved']} | {one['left_out']} |"  # noqa: E731
    for one in found["walkers"]:
        lines.append(f"| {one['height_px']} px high of 480, {one['contrast']} grey levels brighter | {shown(one)}")
    lines += [f"| {name} (video) | {shown(one)}" for name, one in found.get("videos", {}).items()]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
