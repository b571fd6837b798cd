"""How fast: the model alone, the whole pipeline with MQTT, and the loop that one would write by hand, side by side.

The three take turns in one run, so that what else the machine does hits all of them; figures are medians of the turns.
"""

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_infer.bundle.bundle import open_bundle
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.errors import StalledError
from edge_infer.model import load
from edge_infer.pipeline import Pipeline
from edge_infer.runtime.libraries import find_library
from edge_infer.runtime.quiet import caught_stderr
from edge_infer.sources.source import BaseSource, clocks
from edge_infer.tools.local_broker import local_broker
from edge_infer.types import Array, Frame, Result

FRAME_SIZE = (640, 480)
START_S = 10.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One contender's share of one round."""

    frames: int
    seconds: float
    cpu_seconds: float
    p50_ms: float = 0.0
    p95_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Speed:
    """One model; `cpu_ms` is CPU time of this process for each frame, the broker's own excluded."""

    model: str
    bare_fps: float
    bare_cpu_ms: float
    pipeline_fps: float
    cpu_ms: float
    p50_ms: float
    p95_ms: float
    loop_fps: float
    loop_cpu_ms: float


def bench(models: list[Path], *, seconds: float, rounds: int, progress: Callable[[str], None]) -> list[Speed]:
    """Measure each model in `rounds` rounds of turns of `seconds` seconds."""
    frame = test_frame()
    turns: dict[tuple[Path, str], list[Turn]] = {}
    contenders = {"bare": bare, "pipeline": pipeline, "loop": handwritten}
    with local_broker() as url:
        for number in range(rounds):
            for model in models:
                for name, contender in contenders.items():
                    progress(f"round {number + 1}/{rounds}: {model.stem} {name}")
                    turns.setdefault((model, name), []).append(contender(model, frame, url, seconds))
    return [_speed(model, *(turns[model, name] for name in contenders)) for model in models]


def test_frame() -> Array:
    """A `(480, 640, 3)` picture with edges and noise; always the same."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (12, 16, 3), np.uint8)
    smooth = cv2.resize(small, FRAME_SIZE, interpolation=cv2.INTER_CUBIC)
    return cv2.add(smooth, random.integers(0, 24, smooth.shape, np.uint8))


def bare(model: Path, frame: Array, url: str, seconds: float) -> Turn:
    """`invoke` alone, one thread, on what is in the input."""
    interpreter = _interpreter(model)
    return _repeat(interpreter.invoke, seconds)


def handwritten(model: Path, frame: Array, url: str, seconds: float) -> Turn:
    """What a capable developer writes in an hour: OpenCV, the runtime and paho, in one loop."""
    interpreter = _interpreter(model)
    given, outputs = interpreter.get_input_details()[0], interpreter.get_output_details()
    height, width = given["shape"][1:3]
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    host, port = url.removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.loop_start()

    def step() -> None:
        picture = cv2.cvtColor(cv2.resize(frame.copy(), (width, height)), cv2.COLOR_BGR2RGB)
        interpreter.set_tensor(given["index"], picture[None])
        interpreter.invoke()
        values = [interpreter.get_tensor(output["index"]).ravel() for output in outputs]
        best = np.argsort(values[-1])[::-1][:5]
        answer = {"time": time.time(), "results": [[int(i), float(values[-1][i])] for i in best]}
        client.publish("bench/loop", json.dumps(answer), qos=1).wait_for_publish(1.0)

    turn = _repeat(step, seconds)
    client.disconnect()
    client.loop_stop()
    return turn


def pipeline(model: Path, frame: Array, url: str, seconds: float) -> Turn:
    """The daemon's own pipeline, from a source that never waits to acknowledged results."""
    latencies_ms: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="edge-infer-bench-") as folder,
        MqttPublisher(url, device="bench", state_dir=Path(folder)) as publisher,
    ):
        publisher.wait_connected(START_S)
        running = Pipeline(
            "bench",
            lambda: Repeating(frame),
            lambda: load(model, device="cpu"),
            publisher.publish,
            show=lambda shown, result: latencies_ms.append(_busy_ms(shown, result)),
        )
        running.start()
        _wait(lambda: running.results > 0)
        frames, started, cpu = running.results, time.perf_counter(), time.process_time()
        del latencies_ms[:]
        threading.Event().wait(seconds)
        turn = (running.results - frames, time.perf_counter() - started, time.process_time() - cpu)
        running.stop()
        running.join(START_S)
    p50, p95 = np.percentile(latencies_ms, [50, 95])
    return Turn(*turn, p50_ms=float(p50), p95_ms=float(p95))


def _busy_ms(frame: Frame, result: Result) -> float:
    """From taking the frame to having published; at full load it waits for two others before, which is no latency."""
    return (time.monotonic_ns() - frame.captured_ns) / 1e6 - result.timings_ms["wait"]


class Repeating(BaseSource):
    """The same picture as fast as it is wanted, each time in memory of its own as a camera gives it."""

    def __init__(self, picture: Array) -> None:
        super().__init__("repeating", live=False)
        self._picture = picture
        self._number = -1

    def read(self) -> Frame:
        """One more."""
        self._number += 1
        return Frame(self.name, self._number, self._picture.copy(), *clocks())

    def close(self) -> None:
        """There is nothing to close."""


def _interpreter(model: Path) -> Any:
    with caught_stderr():
        interpreter = find_library().interpreter(model_path=str(open_bundle(model).path), num_threads=1)
        interpreter.allocate_tensors()
        interpreter.invoke()
    return interpreter


def _repeat(step: Callable[[], object], seconds: float) -> Turn:
    step()
    frames, started, cpu = 0, time.perf_counter(), time.process_time()
    while (elapsed := time.perf_counter() - started) < seconds:
        step()
        frames += 1
    return Turn(frames, elapsed, time.process_time() - cpu)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > deadline:
            raise StalledError(f"the pipeline gave no result within {START_S:.0f} s")
        time.sleep(0.01)


def _speed(model: Path, bare_turns: list[Turn], pipeline_turns: list[Turn], loop_turns: list[Turn]) -> Speed:
    def fps(turns: list[Turn]) -> float:
        return round(statistics.median(turn.frames / turn.seconds for turn in turns), 1)

    def cpu_ms(turns: list[Turn]) -> float:
        return round(statistics.median(turn.cpu_seconds * 1e3 / max(1, turn.frames) for turn in turns), 3)

    return Speed(
        model=open_bundle(model).name,
        bare_fps=fps(bare_turns),
        bare_cpu_ms=cpu_ms(bare_turns),
        pipeline_fps=fps(pipeline_turns),
        cpu_ms=cpu_ms(pipeline_turns),
        p50_ms=round(statistics.median(turn.p50_ms for turn in pipeline_turns), 3),
        p95_ms=round(statistics.median(turn.p95_ms for turn in pipeline_turns), 3),
        loop_fps=fps(loop_turns),
        loop_cpu_ms=cpu_ms(loop_turns),
    )
