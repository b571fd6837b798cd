"""A pipeline with its durable outbox and a publisher, as the daemon has it, while it is measured."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from edge_infer.deliver.open_events import OpenEvents
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.errors import StalledError
from edge_infer.pipeline import Pipeline
from edge_infer.sources.source import BaseSource
from edge_infer.tools.bench.eventful import Eventful
from edge_infer.tools.bench.given import Given, open_model
from edge_infer.tools.bench.record import Settings
from edge_infer.types import Frame, Result

DEVICE = "bench"
PIPELINE = "bench"
WAIT_S = 60.0  # loading a model on a slow board, and for an acknowledgement
LOOK_S = 0.001  # while an acknowledgement is awaited: the time of it is known as well as that


class Run:
    """The pipeline and its publisher."""

    def __init__(self, pipeline: Pipeline, publisher: MqttPublisher) -> None:
        self.pipeline = pipeline
        self.publisher = publisher

    @property
    def acknowledged(self) -> int:
        """Results, and events, that the broker has taken."""
        return self.publisher.outbox.counts.acknowledged

    def rest(self, seconds: float) -> None:
        """Let it run; this thread takes no time of it.

        Raises:
            EdgeInferError: it has ended meanwhile.
        """
        threading.Event().wait(seconds)
        self.check()

    def wait_acknowledged(self, more_than: int) -> tuple[int, float]:
        """How many are acknowledged as soon as that is more than so many, and when that was (monotonic, s).

        Raises:
            StalledError: it does not become more.
            EdgeInferError: the pipeline has ended.
        """
        deadline = time.monotonic() + WAIT_S
        while (now := self.acknowledged) <= more_than:
            self.check()
            if time.monotonic() > deadline:
                raise StalledError(f"no result of {PIPELINE} was acknowledged for {WAIT_S:.0f} s: see its log")
            time.sleep(LOOK_S)
        return now, time.monotonic()

    def check(self) -> None:
        """Raises what has ended it, or why it gives no answers."""
        error = self.pipeline.failure or self.publisher.error
        if error:
            raise error
        if self.pipeline.errors:
            raise StalledError(f"the model gives no answers in a pipeline: {self.pipeline.trouble() or 'see its log'}")

    def stop(self) -> None:
        """End the source, work through what it has given, and wait until that is delivered, or it takes too long."""
        self.pipeline.stop()
        self.pipeline.join(WAIT_S)
        deadline = time.monotonic() + WAIT_S
        while self.left and time.monotonic() < deadline:
            time.sleep(LOOK_S)

    @property
    def left(self) -> int:
        """Results, and events, that are not acknowledged."""
        counts = self.publisher.outbox.counts
        return counts.put - counts.acknowledged


@contextmanager
def running(
    given: Given,
    settings: Settings,
    url: str,
    open_source: Callable[[], BaseSource],
    show: Callable[[Frame, Result], object],
    events: Eventful | None = None,
) -> Iterator[Run]:
    """A pipeline that runs, its outbox on the disk, until the block ends; with `events` as well as results."""
    with (
        tempfile.TemporaryDirectory(prefix="edge-infer-bench-", dir=settings.state_dir) as folder,
        MqttPublisher(url, device=DEVICE, state_dir=Path(folder)) as publisher,
    ):
        publisher.wait_connected(WAIT_S)
        going_on = OpenEvents(Path(folder) / "open-events.json", publisher.is_kept)
        going_on.start()
        pipeline = Pipeline(
            PIPELINE,
            open_source,
            lambda: open_model(given.path, settings),
            publisher.publish,
            workers=settings.workers,
            show=show,
            analysis=events,
            publish_event=partial(events.publish, publisher, going_on) if events else publisher.publish_event,
        )
        pipeline.start()
        run = Run(pipeline, publisher)
        try:
            yield run
        finally:  # who wants its deliveries has waited for them
            pipeline.stop()
            pipeline.join(WAIT_S)
            going_on.close()


def settled(run: Run) -> tuple[str, ...]:
    """End it; what a reader has to know of its deliveries: nothing, where all was acknowledged."""
    run.stop()
    counts, left = run.publisher.outbox.counts, run.left
    what = "results and events" if run.pipeline.events else "results"
    return (f"{left} of {counts.put} {what} were not acknowledged",) if left else ()
