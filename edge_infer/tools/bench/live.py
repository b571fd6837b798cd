"""At a camera's pace, the whole way: from capture to a subscriber of the broker, and what that adds to the model."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from edge_infer.errors import StalledError, UnavailableError
from edge_infer.tools.bench.eventful import Eventful
from edge_infer.tools.bench.given import Given, Ring
from edge_infer.tools.bench.listening import Heard
from edge_infer.tools.bench.record import Settings
from edge_infer.tools.bench.running import DEVICE, WAIT_S, running, settled
from edge_infer.tools.bench.turn import Turn

WARM_S = 0.5
STAGES = ("wait", "prepare", "infer", "decode", "analyse")  # in the order in which they come; others follow
TOTALS = ("latency", "added", "event", "event added", "event kept")  # the rest are stages


def live(given: Given, settings: Settings, url: str) -> Turn:
    """A source of `fps` frames a second, the pipeline, the outbox on the disk, the broker, and a subscriber.

    Each tenth result tells an event, which is timed by itself: to the subscriber, and to the disk.
    """
    with (
        _subscriber(url) as subscriber,
        Eventful() as events,
        running(given, settings, url, lambda: Ring(given, settings.fps), lambda _frame, _result: None, events) as run,
    ):
        run.wait_acknowledged(more_than=0)
        run.rest(WARM_S)
        first, began, cpu = run.pipeline.results, time.monotonic(), time.process_time()
        run.rest(settings.seconds)
        last, ended, cpu_seconds = run.pipeline.results, time.monotonic(), time.process_time() - cpu
        notes = settled(run)
        health, outbox, kept = run.pipeline.health(), run.publisher.outbox.counts, events.kept()
        heard = _ask(subscriber, outbox.put)
    received = sum(not one.is_event for one in heard)
    counts = {"frames": health.frames, "results": health.results}
    counts |= {"acknowledged": outbox.acknowledged - health.events}  # events go first: none is missing before results
    counts |= {"received": received, "events": health.events, "events received": len(heard) - received}
    counts |= {f"dropped {cause}": count for cause, count in health.dropped.items()}
    ms = _durations(heard, kept, round(began * 1e9), round(ended * 1e9))
    return Turn(last - first, ended - began, cpu_seconds, began, ended, ms, counts, notes)


def _durations(heard: list[Heard], kept: list[tuple[int, int]], began_ns: int, ended_ns: int) -> dict[str, list[float]]:
    """Of the frames of this time: to the subscriber; that without the model's own time; each stage; events."""
    within = [one for one in heard if began_ns <= one.captured_ns < ended_ns]
    found = _of_results([one for one in within if not one.is_event])
    infer_ms = {one.frame: one.timings_ms.get("infer", 0.0) for one in heard if not one.is_event}
    for one in within:
        if one.is_event:
            latency_ms = (one.heard_ns - one.captured_ns) / 1e6
            found["event"].append(latency_ms)
            if one.frame in infer_ms:
                found["event added"].append(latency_ms - infer_ms[one.frame])
    safe = [(at_ns - captured_ns) / 1e6 for captured_ns, at_ns in kept if began_ns <= captured_ns < ended_ns]
    found["event kept"].extend(safe)
    return found


def _of_results(heard: list[Heard]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in TOTALS}
    for one in heard:
        latency_ms = (one.heard_ns - one.captured_ns) / 1e6
        found["latency"].append(latency_ms)
        found["added"].append(latency_ms - one.timings_ms.get("infer", 0.0))
        for name, ms in one.timings_ms.items():
            found.setdefault(name, []).append(ms)
        known_ms = sum(ms for name, ms in one.timings_ms.items() if name in STAGES)
        found.setdefault("publish, broker, subscriber", []).append(latency_ms - known_ms)
    return found


@contextmanager
def _subscriber(url: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "edge_infer.tools.bench.listening", url, DEVICE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            if process.stdout.readline() != b"ready\n":
                raise UnavailableError("the subscriber did not start; the reason stands above")
            yield process
        finally:
            process.kill()


def _ask(subscriber: "subprocess.Popen[bytes]", there_are: int) -> list[Heard]:
    """What it has heard, of so many."""
    try:
        said, _ = subscriber.communicate(f"{there_are}\n".encode(), timeout=WAIT_S)
    except subprocess.TimeoutExpired as error:
        raise StalledError(f"the subscriber does not say within {WAIT_S:.0f} s what it heard") from error
    return msgspec.json.decode(said, type=list[Heard])
