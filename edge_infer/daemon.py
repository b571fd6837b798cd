"""The daemon: pipelines, delivery and health of one device, from start to exit code."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge_infer.deliver.commands import Arguments, Commands
from edge_infer.deliver.lines import LinesSink
from edge_infer.deliver.open_events import OpenEvents
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.deliver.sink import EventSink
from edge_infer.deliver.state_dir import default_state_dir
from edge_infer.doors import Doors
from edge_infer.errands import Errands
from edge_infer.errors import UnavailableError, UsageError
from edge_infer.fusing import Fusing
from edge_infer.health.growth import Growth
from edge_infer.health.process import clock_state
from edge_infer.moving import Moving
from edge_infer.orders import orders
from edge_infer.pipelines import Pipelines
from edge_infer.registry import make_sinks
from edge_infer.reloading import Reloading
from edge_infer.report import Report
from edge_infer.settings import Settings, load_settings
from edge_infer.starting import Starting
from edge_infer.supervisor import Supervisor
from edge_infer.tuning import live_part
from edge_infer.types import Event, Frame, Result
from edge_infer.wire.topics import Topics

if TYPE_CHECKING:
    from edge_infer.keeping import InputRecording

log = logging.getLogger(__name__)

TICK_S = 0.25  # how soon a loss, a failure or an end is noticed
PATIENCE_S = 120.0  # for a command that loads models: 30 s for each of a few


class Daemon:
    """Everything that runs on one device; `run` returns when all sources have ended or `stop` was called.

    `file` is what `reload` reads again; those in `show` get the name of a pipeline, each of its frames and its result;
    `keep` records what can be replayed.
    `restarting` says after `run` that a command wants a new process.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        file: Path | None = None,
        stdout: bool = False,
        must_open: bool = False,
        show: Sequence[Callable[[str, Frame, Result], object]] = (),
        keep: "InputRecording | None" = None,
    ) -> None:
        self.settings = settings
        self.restarting = False
        self._file = file
        self._errands = Errands()
        self._starting = Starting(settings.pipelines)
        self.pipelines = Pipelines(
            settings.pipelines,
            self._publish,
            self._publish_picture,
            self._publish_event,
            must_open=must_open,
            show=show,
            keep=keep,
            starting=self._starting,
            state_dir=settings.device.state_dir,
        )
        self.fusing = Fusing(settings.fusions, self._send_event, keep.fusions if keep else None)
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
        self.open_events = self._make_open_events()
        self.lines = [LinesSink(settings.file.path, settings.file.max_bytes)] if settings.file else []
        self.lines += [LinesSink(None)] if stdout else []
        self.plugged = make_sinks(settings.sinks)
        self.sinks: list[EventSink] = [*self.lines, *([self.publisher] if self.publisher else []), *self.plugged]
        self._stopping = threading.Event()
        self._reloading = Reloading(self._rehearse, self._take_over, self._errands)
        self._moving = Moving(self.pipelines, self._errands)
        self.growth = Growth()
        self.supervisor = Supervisor(self.pipelines, self.publisher, self.growth)
        self._report = Report(settings, self.pipelines, self.publisher, self.growth, self._starting, file)
        self._doors = Doors(self._report)

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
        self.supervisor.start()
        if self.publisher:
            self.publisher.start()
        for pipeline, event in self.open_events.start() if self.open_events else ():
            self._send_event(event, pipeline)
        self._doors.open()
        self._starting.daemon_runs()
        self.pipelines.start()
        log.info("started", extra={"device": self.settings.device.id, "pipelines": len(self.pipelines)})
        self._report.start()  # last: what it loads, no result waits for
        failure = None
        next_report = time.monotonic() + min(1.0, self.settings.health.interval_s)
        try:
            while failure is None and not self._stopping.is_set():
                self._errands.do_next(TICK_S)
                failure = self._failure()
                self._reloading.turn()
                self._moving.turn(reloading=self._reloading.busy)
                self.supervisor.turn(self.settings.supervise, reloading=self._reloading.busy)
                self._watch()
                if time.monotonic() >= next_report:
                    self._publish_health()
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
        self.supervisor.ending()
        self._errands.close()
        self._reloading.close()
        self._doors.close()
        self.pipelines.stop()
        self._starting.tell()
        self.fusing.end()
        self._report.publish_health(self.settings.health.interval_s)
        self._report.close()
        for sink in self.sinks:
            sink.close()
        if self.open_events:
            self.open_events.close()
        self.supervisor.close()
        log.info("stopped", extra={"results": self.pipelines.results})

    def _publish(self, result: Result, pipeline: str) -> None:
        for sink in self.sinks:
            sink.publish(result, pipeline)

    def _publish_event(self, event: Event, pipeline: str) -> None:
        settings = self.pipelines.settings.get(pipeline)
        if settings is None or "events" in settings.publish:
            self._send_event(event, pipeline)
        self.fusing(event, pipeline)

    def _send_event(self, event: Event, pipeline: str) -> None:
        """Into all sinks; what begins is on the disk before anybody hears of it."""
        if self.open_events and event.phase == "start":
            self.open_events.begins(event, pipeline)
        numbers = [sink.publish_event(event, pipeline) for sink in self.sinks]
        if self.open_events and event.phase == "end":
            self.open_events.ends(event, numbers[self.sinks.index(self.publisher)] if self.publisher else 0)

    def _publish_picture(self, jpeg: bytes, pipeline: str, event: str) -> None:
        if self.publisher:
            self.publisher.snapshot(jpeg, pipeline, event)

    def _make_open_events(self) -> OpenEvents | None:
        """What goes on in a process that ends on a terminal is nobody's afterwards."""
        settings = self.settings
        if not settings.mqtt and not settings.file:
            return None
        folder = settings.device.state_dir or default_state_dir()
        path = folder / f"open-events-{settings.device.id}.json"
        return OpenEvents(path, self.publisher.is_kept) if self.publisher else OpenEvents(path)

    def _make_commands(self, root: str) -> Commands:
        acts = {**orders(self.pipelines), "reload": self._reload, "restart": self._restart}
        acts["set"] = partial(self._patiently, acts["set"])
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

    def _patiently(self, act: Callable[[Arguments], object], arguments: Arguments) -> object:
        with self.supervisor.patience(PATIENCE_S):
            return act(arguments)

    def _reload(self, _arguments: Arguments) -> object:
        if self._file is None:
            why = "there is no configuration file: the pipeline came from the command line"
            log.error("the configuration is refused, all stays as it was: %s", why)
            raise UsageError(why)
        return self._reloading.ask()

    def _rehearse(self) -> tuple[Settings, str | None]:
        new = load_settings(self._file or Path())
        token = new.commands.token()
        self.pipelines.rehearse(new.pipelines)
        return new, token

    def _take_over(self, found: tuple[Settings, str | None]) -> dict[str, list[str]]:
        new, token = found
        changes = self.pipelines.change(new.pipelines)
        self.fusing.change(new.fusions)
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
        self._starting.tell()
        self.pipelines.refuse_late_pictures()
        if machine := self._report.measured():
            self.pipelines.feel(machine)
        self.fusing.turn()
        reasons = {pipeline.name: trouble for pipeline in self.pipelines if (trouble := pipeline.trouble())}
        reasons |= {f"file {sink.path}" if sink.path else "stdout": sink.trouble for sink in self.lines if sink.trouble}
        reasons |= {f"sink {sink.name}": sink.trouble for sink in self.plugged if sink.trouble}
        if self.publisher and self.publisher.outbox_trouble:
            reasons["outbox"] = self.publisher.outbox_trouble
        if self.open_events and self.open_events.trouble:
            reasons["events"] = self.open_events.trouble
        models = {pipeline.name: pipeline.model for pipeline in self.pipelines if pipeline.model}
        reasons |= {f"fusion {name}": problem for name, problem in self.fusing.unknown(models).items()}
        reasons |= {"prometheus": self._doors.trouble} if self._doors.trouble else {}
        reasons |= {"config": self._reloading.refused} if self._reloading.refused else {}
        reasons |= self.supervisor.growth_reasons(self.settings.supervise)
        self._report.turn(self.settings, reasons)
        self.supervisor.tell(reasons)

    def _publish_health(self) -> None:
        self._doors.keep_open(self.settings.health)
        self._report.publish_health(self.settings.health.interval_s)
        self.supervisor.count()
