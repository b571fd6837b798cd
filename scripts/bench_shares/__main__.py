"""Several pipelines of one process on few cores: does each get its fair share?

The fair share: while all of them have more frames than they can answer, each one's inference gets the same CPU time.
Each pipeline is the daemon's own, with delivery to a broker; its source never waits, or is live with `--fps`.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.health.process import thread_cpu_s
from edge_infer.loading import load
from edge_infer.pipeline import Pipeline
from edge_infer.sources.pace import Metronome
from edge_infer.sources.source import BaseSource, clocks
from edge_infer.tools.local_broker import local_broker
from edge_infer.tools.noise import noise_picture
from edge_infer.types import Frame

MODELS = (
    "mobilenet_v1_0.25_128_quant",
    "mobilenet_v2_1.0_224_quant",
    "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29",
    "movenet_single_pose_lightning_ptq",
)
START_S = 30.0


@dataclass(frozen=True, slots=True)
class Share:
    """What one pipeline got; shares are of what all pipelines got, `fair` is what each should."""

    pipeline: str
    model: str
    infer_cpu_s: float
    infer_share: float
    fair: float
    cpu_s: float
    share: float
    fps: float
    dropped: dict[str, int]


class Endless(BaseSource):
    """The same picture again and again: as fast as it is wanted, or live at a rate."""

    def __init__(self, fps: float | None) -> None:
        super().__init__("endless", live=fps is not None)
        self._picture = noise_picture()
        self._next = Metronome(fps).wait if fps else iter(range(sys.maxsize)).__next__

    def read(self) -> Frame:
        """One more."""
        return Frame(self.name, self._next(), self._picture, *clocks())

    def close(self) -> None:
        """There is nothing to close."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench-shares")
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", help="one pipeline each (default: four)")
    parser.add_argument("--minutes", type=float, default=1.0, metavar="M")
    parser.add_argument("--fps", type=float, metavar="F", help="of live sources (default: as fast as they are wanted)")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    args = parser.parse_args()
    folder = Path(os.environ.get("EDGE_INFER_TESTDATA", "../shared/testdata")) / "models"
    models = args.models or [folder / f"{name}.tflite" for name in MODELS]
    shares = measure(models, args.minutes * 60, args.fps)
    infer, every = (jain([getattr(one, name) for one in shares]) for name in ("infer_cpu_s", "cpu_s"))
    worst = max(abs(one.infer_share / one.fair - 1) for one in shares)
    if args.json:
        pipelines = [asdict(one) for one in shares]
        print(json.dumps({"jain": infer, "jain_all_threads": every, "worst": worst, "pipelines": pipelines}))
        return 0
    print(f"{'model':<44} {'infer CPU s':>11} {'of all':>7} {'all CPU s':>9} {'fps':>8}  dropped")
    for one in shares:
        drops = ", ".join(f"{cause} {count}" for cause, count in one.dropped.items()) or "none"
        print(
            f"{one.model[:44]:<44} {one.infer_cpu_s:>11.2f} {one.infer_share:>7.1%} {one.cpu_s:>9.2f} "
            f"{one.fps:>8.1f}  {drops}"
        )
    print(
        f"Jain's index: {infer:.4f} of inference, {every:.4f} of all threads; fair would be {shares[0].fair:.1%} each, "
    )
    print(f"the furthest from it has {worst:.1%} more or less")
    return 0


def measure(models: Sequence[Path], seconds: float, fps: float | None) -> list[Share]:
    """All pipelines at once, once each has given a result."""
    with (
        tempfile.TemporaryDirectory(prefix="edge-infer-shares-") as folder,
        local_broker() as url,
        MqttPublisher(url, device="shares", state_dir=Path(folder)) as publisher,
    ):
        publisher.wait_connected(START_S)
        pipelines = [
            Pipeline(f"p{number}", partial(Endless, fps), partial(load, model, device="cpu"), publisher.publish)
            for number, model in enumerate(models)
        ]
        for pipeline in pipelines:
            pipeline.start()
        deadline = time.monotonic() + START_S
        while not all(pipeline.results for pipeline in pipelines) and time.monotonic() < deadline:
            time.sleep(0.01)
        before, started = [(cpu_s(one.name), one.results) for one in pipelines], time.monotonic()
        for _ in tqdm(range(max(1, round(seconds))), unit="s", delay=2, disable=None, file=sys.stderr, leave=False):
            threading.Event().wait(min(1.0, seconds))
        after, elapsed = [(cpu_s(one.name), one.results) for one in pipelines], time.monotonic() - started
        for pipeline in pipelines:
            pipeline.stop()
        for pipeline in pipelines:
            pipeline.join(START_S)
    used = [
        ({role: now[role] - then.get(role, 0.0) for role in now}, (results - at_first) / elapsed)
        for (now, results), (then, at_first) in zip(after, before, strict=True)
    ]
    infer, every = (sum(roles["infer"] for roles, _ in used), sum(sum(roles.values()) for roles, _ in used))
    return [
        Share(
            pipeline.name,
            model.stem,
            roles["infer"],
            roles["infer"] / infer,
            1 / len(models),
            sum(roles.values()),
            sum(roles.values()) / every,
            rate,
            dict(pipeline.intake.drops),
        )
        for pipeline, model, (roles, rate) in zip(pipelines, models, used, strict=True)
    ]


def cpu_s(pipeline: str) -> dict[str, float]:
    """CPU seconds of a pipeline's threads until now, by what they do: source, infer, answer."""
    found: dict[str, float] = {}
    for name, seconds in thread_cpu_s().items():
        role, _, of = name.partition(":")
        if of.partition(":")[0] == pipeline:
            found[role] = found.get(role, 0.0) + seconds
    return found


def jain(values: Sequence[float]) -> float:
    """1: all have the same; 1/n: one has all. Source: Jain, Chiu, Hawe, A quantitative measure of fairness, 1984."""
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))


if __name__ == "__main__":
    sys.exit(main())
