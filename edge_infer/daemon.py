"""The daemon: pipelines, delivery and health of one device, from start to exit code."""

import logging
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

from edge_infer import __version__
from edge_infer.deliver.lines import LinesSink
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.deliver.sink import Sink
from edge_infer.draw import draw, encode_jpeg
from edge_infer.health.process import clock_state, this_process
from edge_infer.pipeline import Pipeline
from edge_infer.registry import load_model, make_source
from edge_infer.settings import Settings
from edge_infer.types import Frame, Result
from edge_infer.wire.payloads import Health, Info, PipelineInfo

log = logging.getLogger(__name__)

TICK_S = 0.25  # how soon a loss, a failure or an end is noticed
DRAIN_S = 2.0  # for frames that were taken already
TWICE_S = 0.5  # timeout(1) signals the process and its group: that is one wish, not two
MQTT_EXPIRY = 3  # health intervals until brokers drop the last report


class Daemon:
    """Everything that runs on one device; `run` returns when all sources have ended or `stop` was called."""

    def __init__(self, settings: Settings, *, stdout: bool = False, must_open: bool = False) -> None:
        self.settings = settings
        self.publisher = (
            MqttPublisher(
                settings.mqtt,
                device=settings.device.id,
                state_dir=settings.device.state_dir,
                clock_state=clock_state,
            )
            if settings.mqtt
            else None
        )
        self.lines = [LinesSink(settings.file.path, settings.file.max_bytes)] if settings.file else []
        self.lines += [LinesSink(None)] if stdout else []
        self.sinks: list[Sink] = [*self.lines, *([self.publisher] if self.publisher else [])]
        self.pipelines = [
            Pipeline(
                name,
                partial(make_source, pipeline.source, name),
                partial(load_model, pipeline),
                self._publish,
                max_frame_age_s=pipeline.max_frame_age_s,
                workers=pipeline.model.workers,
                must_open=must_open,
                show=self._snapshots(name, pipeline.snapshot_s),
            )
            for name, pipeline in settings.pipelines.items()
        ]
        self._stopping = threading.Event()
        self._started = time.monotonic()
        self._described: dict[str, PipelineInfo] = {}

    def stop(self) -> None:
        """Ask for a clean end; from any thread or a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Run to the end.

        Raises:
            EdgeInferError: a part failed in a way that trying again does not mend; all else was ended cleanly.
        """
        if self.publisher:
            self.publisher.start()
        for pipeline in self.pipelines:
            pipeline.start()
        log.info("started", extra={"device": self.settings.device.id, "pipelines": len(self.pipelines)})
        failure = None
        next_report = time.monotonic() + min(1.0, self.settings.health.interval_s)
        try:
            while failure is None and not self._stopping.wait(TICK_S):
                failure = self._failure()
                self._watch()
                if time.monotonic() >= next_report:
                    self._report()
                    next_report = time.monotonic() + self.settings.health.interval_s
                if all(pipeline.ended for pipeline in self.pipelines):
                    break
        finally:
            self._end()
        failure = failure or self._failure()
        if failure:
            raise failure

    def _end(self) -> None:
        """Sources first, then what they have given, then delivery."""
        for pipeline in self.pipelines:
            pipeline.stop()
        deadline = time.monotonic() + DRAIN_S
        for pipeline in self.pipelines:
            if not pipeline.join(max(0.1, deadline - time.monotonic())):
                log.warning("a thread hangs and is left behind", extra={"pipeline": pipeline.name})
        self._report()
        for sink in self.sinks:
            sink.close()
        log.info("stopped", extra={"results": sum(pipeline.results for pipeline in self.pipelines)})

    def _publish(self, result: Result, pipeline: str) -> None:
        for sink in self.sinks:
            sink.publish(result, pipeline)

    def _snapshots(self, pipeline: str, period_s: float | None) -> Callable[[Frame, Result], None]:
        """What publishes a picture at most every `period_s` seconds."""
        due = 0.0

        def show(frame: Frame, result: Result) -> None:
            nonlocal due
            if period_s is None or self.publisher is None or time.monotonic() < due:
                return
            due = time.monotonic() + period_s
            self.publisher.snapshot(encode_jpeg(draw(frame.data, result)), pipeline)

        return show

    def _failure(self) -> Exception | None:
        failures = [pipeline.failure for pipeline in self.pipelines] + [sink.error for sink in self.lines]
        failures += [self.publisher.error] if self.publisher else []
        return next((failure for failure in failures if failure), None)

    def _watch(self) -> None:
        """Notice what is wrong, and say so."""
        reasons = {pipeline.name: trouble for pipeline in self.pipelines if (trouble := pipeline.trouble())}
        reasons |= {f"file {sink.path}": sink.trouble for sink in self.lines if sink.trouble}
        if not self.publisher:
            return
        described = {
            pipeline.name: PipelineInfo(
                source=str(self.settings.pipelines[pipeline.name].source.__struct_config__.tag),
                model=str(pipeline.model.id),
                sha256=pipeline.model.id.sha256,
                task=pipeline.model.task,
                device=pipeline.model.device,
                fallback_reason=pipeline.model.fallback_reason,
            )
            for pipeline in self.pipelines
            if pipeline.model
        }
        self.publisher.set_status("degraded" if reasons else "online", reasons)
        if described != self._described:
            self._described = described
            self.publisher.set_info(self._info(described))

    def _info(self, described: dict[str, PipelineInfo]) -> Info:
        libraries = {pipeline.model.runtime.library for pipeline in self.pipelines if pipeline.model}
        return Info(
            device=self.settings.device.id,
            time=time.time(),
            version=__version__,
            runtime=", ".join(sorted(libraries)),
            python=platform.python_version(),
            platform=platform.platform(),
            machine=platform.machine(),
            config_sha256=self.settings.sha256(),
            pipelines=described,
        )

    def _report(self) -> None:
        if not self.publisher:
            return
        process = this_process()
        self.publisher.set_health(
            Health(
                device=self.settings.device.id,
                time=time.time(),
                epoch=self.publisher.outbox.epoch,
                boot=self.publisher.outbox.boot,
                clock=clock_state(),
                uptime_s=round(time.monotonic() - self._started, 1),
                rss_bytes=process.rss_bytes,
                open_files=process.open_files,
                threads=process.threads,
                reconnects=self.publisher.reconnects,
                pipelines={pipeline.name: pipeline.health() for pipeline in self.pipelines},
                outbox=self.publisher.health(),
            ),
            expiry_s=int(self.settings.health.interval_s * MQTT_EXPIRY) + 1,
        )


@contextmanager
def stopped_by_signals(daemon: Daemon) -> Iterator[None]:
    """SIGTERM and SIGINT end the daemon cleanly; one that comes later ends the process at once."""
    asked_at: float | None = None

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal asked_at
        if asked_at is None:
            asked_at = time.monotonic()
            daemon.stop()
        elif time.monotonic() - asked_at > TWICE_S:
            os._exit(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
