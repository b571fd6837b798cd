"""A device that publishes made-up results, and writes down each one that was accepted, until a signal.

SIGTERM: it waits until all is delivered; SIGINT: it ends at once, and cleanly.

The log has a line `epoch seq frame committed time` for each, written before the next result is published: a kill
cannot lose it. The frame number is random, so that a sequence number that is used twice shows; `committed` is how far
the outbox says that the disk had got, `time` is monotonic.
"""

import argparse
import os
import random
import signal
import threading
import time
from pathlib import Path

import msgspec
import numpy as np

from chaos_run.parts import READY
from edge_infer import MqttPublisher
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.types import Detections, ModelId, Result
from edge_infer.wire.payloads import ClockState

LABELS = ("person", "bicycle", "car")
MODEL = ModelId("made-up", "1", "ab" * 32)
KEEPALIVE_S = 5  # the shortest, so that a black hole is noticed in a short run
RESEND_S = 2.0
POLL_S = 0.02
YEAR_2020 = 1577836800.0  # seconds since 1970
PIPELINES = ("door", "yard")


def a_result(frame: int, source: str) -> Result:
    """One to five objects, somewhere."""
    count = frame % 5 + 1
    classes = np.arange(count) % len(LABELS)
    corners = (np.arange(count * 4, dtype=np.float32).reshape(count, 4) + frame) % 480
    return Result(
        source=source,
        number=frame,
        captured_at=time.time(),
        captured_ns=time.monotonic_ns(),
        size=(640, 480),
        task="detect",
        model=MODEL,
        device="cpu",
        prediction=Detections(
            corners, np.full(count, 0.5, np.float32), classes, tuple(LABELS[number] for number in classes)
        ),
        timings_ms={"infer": 1.5},
    )


def clock_state() -> ClockState:
    """Before 2020, the clock has not been set yet."""
    return "synced" if time.time() > YEAR_2020 else "unsynced"


class Asked:
    """What signals have asked for: a handler that set an Event could wait for ever for its lock, which we may hold."""

    stop = finished = False

    def to_stop(self) -> None:
        self.stop = True

    def to_finish(self) -> None:
        self.stop = self.finished = True


def main() -> int:
    """The exit code: 1 if what waits could not be delivered in time, at SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="the log, and the report at the end")
    parser.add_argument("--state", type=Path, required=True, help="the state")
    parser.add_argument("--rate", type=float, required=True, help="results per second")
    parser.add_argument("--drain-s", type=float, default=0.0, help="how long delivery may take at the end")
    parser.add_argument("--ack", default="collector")
    parser.add_argument("--durability", default="relaxed")
    parser.add_argument("--commit-s", type=float, default=1.0)
    parser.add_argument("--min-free-bytes", type=int, default=0)
    parser.add_argument("--max-age-s", type=float)
    chosen = parser.parse_args()

    asked = Asked()
    signal.signal(signal.SIGTERM, lambda *_: asked.to_stop())
    signal.signal(signal.SIGINT, lambda *_: asked.to_finish())
    pause = threading.Event()  # time.sleep fails where libfaketime moves the clock
    log = os.open(chosen.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    publisher = MqttPublisher(
        chosen.url,
        device=chosen.device,
        state_dir=chosen.state,
        outbox=OutboxSettings(
            durability=chosen.durability,
            commit_s=chosen.commit_s,
            min_free_bytes=chosen.min_free_bytes,
            max_age_s=chosen.max_age_s,
        ),
        clock_state=clock_state,
        ack=chosen.ack,
        keepalive_s=KEEPALIVE_S,
        resend_s=RESEND_S,
    )
    publisher.start()
    print(READY, flush=True)
    began, made = time.monotonic(), 0
    while not asked.stop:
        pause.wait(max(0.0, began + made / chosen.rate - time.monotonic()))
        frame = random.getrandbits(31)
        seq = publisher.publish(a_result(frame, PIPELINES[frame // 7 % 2]))
        outbox = publisher.outbox
        os.write(log, b"%d %d %d %d %f\n" % (outbox.epoch, seq, frame, outbox.committed_seq, time.monotonic()))
        made += 1
    deadline = time.monotonic() + chosen.drain_s
    while publisher.health().oldest is not None and time.monotonic() < deadline:  # `close` waits for nobody who is away
        if asked.finished:
            break
        pause.wait(POLL_S)
    left = publisher.close()
    (chosen.folder / "report.json").write_bytes(msgspec.json.encode(publisher.health()))
    return int(left > 0 and not asked.finished)


if __name__ == "__main__":
    raise SystemExit(main())
