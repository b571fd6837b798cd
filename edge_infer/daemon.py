"""The daemon: pipelines, delivery and health of one device, from start to exit code."""

import logging
import platform
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from edge_infer import __version__
from edge_infer.deliver.commands import Arguments, Commands
from edge_infer.deliver.lines import LinesSink
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.deliver.sink import Sink
from edge_infer.errands import Errands
from edge_infer.errors import EdgeInferError, UnavailableError, UsageError
from edge_infer.health.process import clock_state, this_process
from edge_infer.orders import orders
from edge_infer.pipelines import Pipelines
from edge_infer.settings import Settings, load_settings
from edge_infer.tuning import live_part
from edge_infer.types import Result
from edge_infer.wire.payloads import Health, Info, PipelineInfo
from edge_infer.wire.topics import Topics

log = logging.getLogger(__name__)

TICK_S = 0.25  # how soon a loss, a failure or an end is noticed
MQTT_EXPIRY = 3  # health intervals until brokers drop the last report


class Daemon:
    """Everything that runs on one device; `run` returns when all sources have ended or `stop` was called.

    `file` is what `reload` reads again. `restarting` says after `run` that a command wants a new process.
    """

    def __init__(
        self, settings: Settings, *, file: Path | None = None, stdout: bool = False, must_open: bool = False
    ) -> None:
        self.settings = settings
        self.restarting = False
        self._file = file
        self._errands = Errands()
        self.pipelines = Pipelines(settings.pipelines, self._publish, self._publish_picture, must_open=must_open)
        self.commands = self._make_commands(settings.mqtt.root) if settings.mqtt else None
        self.publisher = (
            MqttPublisher(
                settings.mqtt,
                device=settings.device.id,
                state_dir=settings.device.state_dir,
                outbox=settings.outbox,
                commands=self.commands,
                clock_state=clock_state,
            )
            if settings.mqtt
            else None
        )
        self.lines = [LinesSink(settings.file.path, settings.file.max_bytes)] if settings.file else []
        self.lines += [LinesSink(None)] if stdout else []
        self.sinks: list[Sink] = [*self.lines, *([self.publisher] if self.publisher else [])]
        self._stopping = threading.Event()
        self._started = time.monotonic()
        self._described: tuple[str, dict[str, PipelineInfo]] | None = None

    def stop(self) -> None:
        """Ask for a clean end; from any thread or a signal handler."""
        self._stopping.set()
        self._errands.wake()

    def reload(self) -> None:
        """Ask for the configuration to be read again; from any thread or a signal handler."""
        with suppress(UnavailableError):  # it is ending
            self._errands.ask(self._reload, {})

    def run(self) -> None:
        """Run to the end.

        Raises:
            EdgeInferError: a part failed in a way that trying again does not mend; all else was ended cleanly.
        """
        if self.publisher:
            self.publisher.start()
        self.pipelines.start()
        log.info("started", extra={"device": self.settings.device.id, "pipelines": len(self.pipelines)})
        failure = None
        next_report = time.monotonic() + min(1.0, self.settings.health.interval_s)
        try:
            while failure is None and not self._stopping.is_set():
                self._errands.do_next(TICK_S)
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
        self._errands.close()
        self.pipelines.stop()
        self._report()
        for sink in self.sinks:
            sink.close()
        log.info("stopped", extra={"results": self.pipelines.results})

    def _publish(self, result: Result, pipeline: str) -> None:
        for sink in self.sinks:
            sink.publish(result, pipeline)

    def _publish_picture(self, jpeg: bytes, pipeline: str) -> None:
        if self.publisher:
            self.publisher.snapshot(jpeg, pipeline)

    def _make_commands(self, root: str) -> Commands:
        acts = {**orders(self.pipelines), "reload": self._reload, "restart": self._restart}
        return Commands(
            Topics(self.settings.device.id, root),
            {"ping": self._ping, **{name: partial(self._errands.ask, act) for name, act in acts.items()}},
            allowed=self.settings.commands.allow,
            token=self.settings.commands.token(),
            clock_state=clock_state,
        )

    def _ping(self, arguments: Arguments) -> object:
        return self.publisher.ping(arguments) if self.publisher else None

    def _restart(self, _arguments: Arguments) -> object:
        log.info("a command asks for a restart")
        self.restarting = True
        self.stop()
        return {"epoch": self.publisher.outbox.epoch if self.publisher else None}

    def _reload(self, _arguments: Arguments) -> object:
        try:
            changes = self._take_over()
        except EdgeInferError as error:
            log.error("the configuration is refused, all stays as it was: %s", "; ".join(str(error).splitlines()))  # noqa: TRY400
            raise
        log.info("the configuration was read again", extra={name: ",".join(found) for name, found in changes.items()})
        return changes

    def _take_over(self) -> dict[str, list[str]]:
        if self._file is None:
            raise UsageError("there is no configuration file: the pipeline came from the command line")
        new = load_settings(self._file)
        token = new.commands.token()
        changes = self.pipelines.change(new.pipelines)
        self.settings, needs_restart = live_part(self.settings, new)
        if self.commands:
            self.commands.allow(new.commands.allow, token)
        return changes | {"needs_restart": needs_restart}

    def _failure(self) -> Exception | None:
        failures = [pipeline.failure for pipeline in self.pipelines] + [sink.error for sink in self.lines]
        failures += [self.publisher.error] if self.publisher else []
        return next((failure for failure in failures if failure), None)

    def _watch(self) -> None:
        """Notice what is wrong, and say so."""
        self.pipelines.refuse_late_pictures()
        reasons = {pipeline.name: trouble for pipeline in self.pipelines if (trouble := pipeline.trouble())}
        reasons |= {f"file {sink.path}": sink.trouble for sink in self.lines if sink.trouble}
        if not self.publisher:
            return
        if self.publisher.outbox_trouble:
            reasons["outbox"] = self.publisher.outbox_trouble
        described = {
            pipeline.name: PipelineInfo(
                source=str(self.pipelines.settings[pipeline.name].source.__struct_config__.tag),
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
        digest = msgspec.structs.replace(self.settings, pipelines=self.pipelines.settings).sha256()
        if (digest, described) != self._described:
            self._described = (digest, described)
            self.publisher.set_info(self._info(digest, described))

    def _info(self, digest: str, described: dict[str, PipelineInfo]) -> Info:
        libraries = {pipeline.model.runtime.library for pipeline in self.pipelines if pipeline.model}
        return Info(
            device=self.settings.device.id,
            time=time.time(),
            version=__version__,
            runtime=", ".join(sorted(libraries)),
            python=platform.python_version(),
            platform=platform.platform(),
            machine=platform.machine(),
            config_sha256=digest,
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
