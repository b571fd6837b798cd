"""The model alone, the loop that one would write by hand, and the pipeline: each for one turn, on the same frames."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_infer.health.process import thread_cpu_s
from edge_infer.runtime.delegate import load_edgetpu, load_external
from edge_infer.runtime.libraries import Library, find_library
from edge_infer.runtime.quiet import caught_stderr
from edge_infer.tools.bench.given import RING, Given, Ring, warm
from edge_infer.tools.bench.record import Settings
from edge_infer.tools.bench.running import running, settled
from edge_infer.tools.bench.turn import Turn
from edge_infer.types import Array, Frame, Result

START_S = 60.0  # loading a model on a slow board
WARM_PIPELINE_S = 0.3  # its threads, its connection and its outbox come up


def bare(given: Given, settings: Settings, url: str) -> Turn:
    """`invoke` alone: as many interpreters as there are workers, each in a thread of its own.

    The inputs are the same frames, prepared beforehand; putting them in place is not counted.
    """
    start = threading.Barrier(settings.workers, timeout=START_S)
    cpu: list[float] = []

    def work(_worker: int) -> tuple[list[float], float, float]:
        with caught_stderr():
            interpreter = make_interpreter(given, settings)
        places = [detail["index"] for detail in interpreter.get_input_details()]
        _put(interpreter, places, given.tensors[0])
        warm(interpreter.invoke)
        start.wait()
        cpu.append(time.process_time())
        began, taken = time.monotonic(), list[float]()
        while time.monotonic() - began < settings.seconds:
            _put(interpreter, places, given.tensors[len(taken) % RING])
            started = time.perf_counter()
            interpreter.invoke()
            taken.append((time.perf_counter() - started) * 1e3)
        cpu.append(time.process_time())
        return taken, began, time.monotonic()

    with ThreadPoolExecutor(settings.workers) as pool:
        worked = list(pool.map(work, range(settings.workers)))
    frames = sum(len(taken) for taken, _, _ in worked)
    rate = sum(len(taken) * 1e3 / sum(taken) for taken, _, _ in worked)
    took_ms = [ms for taken, _, _ in worked for ms in taken]
    began, ended = min(one[1] for one in worked), max(one[2] for one in worked)
    return Turn(frames, frames / rate, max(cpu) - min(cpu), began, ended, {"invoke": took_ms})


def make_interpreter(given: Given, settings: Settings) -> Any:
    """The runtime's own interpreter, with what accelerates it."""
    library = find_library()
    interpreter = library.interpreter(
        model_path=str(given.file),
        num_threads=settings.threads,
        experimental_delegates=_delegates(library, given, settings) or None,
    )
    for detail, tensor in zip(interpreter.get_input_details(), given.tensors[0], strict=True):
        if tuple(detail["shape"]) != tensor.shape:
            interpreter.resize_tensor_input(detail["index"], tensor.shape)
    interpreter.allocate_tensors()
    return interpreter


def _delegates(library: Library, given: Given, settings: Settings) -> list[Any]:
    if given.device == "cpu":
        return []
    if given.device == "external":
        return [load_external(library, settings.delegate or "", {})]
    return [load_edgetpu(library, given.device, settings.delegate)]


def _put(interpreter: Any, places: list[int], tensors: tuple[Array, ...]) -> None:
    for place, tensor in zip(places, tensors, strict=True):
        interpreter.set_tensor(place, tensor)


@dataclass
class ByHand:
    """What a capable developer writes in an hour: OpenCV or numpy, the runtime and paho, in one loop."""

    interpreter: Any
    client: mqtt.Client
    given: Given

    def __post_init__(self) -> None:
        self._place = self.interpreter.get_input_details()[0]
        self._outputs = [detail["index"] for detail in self.interpreter.get_output_details()]
        self._prepare = _samples_by_hand if self.given.hop else _picture_by_hand
        self.steps = 0

    def step(self) -> None:
        """One frame, until the broker has acknowledged its answer."""
        picture = self.given.frames[self.steps % RING].data
        self.interpreter.set_tensor(self._place["index"], self._prepare(picture, self._place))
        self.interpreter.invoke()
        values = [self.interpreter.get_tensor(output).ravel() for output in self._outputs]
        best = np.argsort(values[-1])[::-1][:5]
        answer = {"time": time.time(), "results": [[int(i), float(values[-1][i])] for i in best]}
        self.client.publish("bench/loop", json.dumps(answer), qos=1).wait_for_publish(1.0)
        self.steps += 1


def handwritten(given: Given, settings: Settings, url: str) -> Turn:
    """The loop, one frame after the other whatever the workers."""
    with caught_stderr():
        interpreter = make_interpreter(given, settings)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    host, port = url.removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.loop_start()
    try:
        return timed(ByHand(interpreter, client, given).step, settings.seconds)
    finally:
        client.disconnect()
        client.loop_stop()


def timed(step: Callable[[], object], seconds: float, name: str = "frame") -> Turn:
    """Do it again and again for so long, warm."""
    warm(step)
    taken: list[float] = []
    cpu, began = time.process_time(), time.monotonic()
    while (now := time.monotonic()) - began < seconds:
        started = time.perf_counter()
        step()
        taken.append((time.perf_counter() - started) * 1e3)
    return Turn(len(taken), now - began, time.process_time() - cpu, began, now, {name: taken})


def _picture_by_hand(picture: Array, place: Any) -> Array:
    _, height, width, *channels = place["shape"]
    color = cv2.COLOR_BGR2RGB if channels == [3] else cv2.COLOR_BGR2GRAY
    return cv2.cvtColor(cv2.resize(picture, (width, height)), color).reshape(place["shape"]).astype(place["dtype"])


def _samples_by_hand(window: Array, place: Any) -> Array:
    """Numbers as they are: what a model needs beside that, such as a spectrogram, is not done."""
    scale, zero_point = place["quantization"]
    values = np.resize(window, place["shape"])
    stored = np.round(values / scale + zero_point).clip(-128, 127) if scale else values
    return stored.astype(place["dtype"])


def pipeline(given: Given, settings: Settings, url: str) -> Turn:
    """The daemon's own pipeline, from a source that never waits to acknowledged results, which are what is counted.

    It is counted from one acknowledgement to another, since they come several at once. A frame is busy for as long as
    its stages take: at full load it waits for those before it, which is no latency.
    """
    busy_ms: list[float] = []

    def note(_frame: Frame, result: Result) -> None:
        busy_ms.append(sum(ms for stage, ms in result.timings_ms.items() if stage != "wait"))

    with running(given, settings, url, lambda: Ring(given), note) as run:
        run.wait_acknowledged(more_than=0)
        run.rest(WARM_PIPELINE_S)
        first, began = run.wait_acknowledged(run.acknowledged)
        cpu, before = time.process_time(), thread_cpu_s()
        del busy_ms[:]
        run.rest(settings.seconds)
        last, ended = run.wait_acknowledged(run.acknowledged)
        cpu_seconds, taken, after = time.process_time() - cpu, busy_ms[:], thread_cpu_s()
        notes = settled(run)
    threads = by_role(before, after)
    return Turn(last - first, ended - began, cpu_seconds, began, ended, {"busy": taken}, threads_s=threads, notes=notes)


def by_role(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What threads have used, by their names up to the colon."""
    used: dict[str, float] = {}
    for name in before.keys() & after.keys():
        role = name.partition(":")[0]
        used[role] = used.get(role, 0.0) + after[name] - before[name]
    return used
