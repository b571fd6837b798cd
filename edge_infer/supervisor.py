"""Never stuck: who hangs is noticed, replaced and reported, and what cannot be replaced ends the process."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.errors import StalledError
from edge_infer.flow import stacks
from edge_infer.flow.standstills import Standstills
from edge_infer.flow.watchdog import WITHOUT_GIL_S, Watchdog
from edge_infer.health.growth import Growth
from edge_infer.health.process import this_process
from edge_infer.health.sd_notify import ServiceManager
from edge_infer.pipelines import Pipelines
from edge_infer.settings import SuperviseSettings

log = logging.getLogger(__name__)

MAIN_S = 30.0  # without systemd's watchdog: the main loop's longest wait is 5 s, for a disk, with strict durability
END_S = 30.0  # 2 s for frames, 6 for the broker, 5 for the disk; after that the end itself hangs
AFTER_SYSTEMD_S = 1.0  # its watchdog comes first, which writes to the journal why the service ends
MEASURE_S = 5.0


class Supervisor:
    """Looks after the threads of a daemon, from its main loop, and tells systemd how it is doing."""

    def __init__(self, pipelines: Pipelines, publisher: MqttPublisher | None, growth: Growth) -> None:
        self._pipelines = pipelines
        self._publisher = publisher
        self._growth = growth
        self._systemd = ServiceManager()
        self._watchdog = Watchdog()
        self._standstills = Standstills()
        self._measure_at = 0.0  # monotonic
        self._counted = (time.monotonic(), 0)  # results at the last line for systemd
        self._fps = 0.0
        self._reasons: dict[str, str] = {}

    def start(self) -> None:
        """From now on the main loop must not hang."""
        self._watchdog.feed(MAIN_S)

    def turn(self, settings: SuperviseSettings, *, reloading: bool = False) -> None:
        """Replace what hangs; tell systemd that all goes on, and whether the configuration is being read.

        Raises:
            StalledError: something hangs that cannot be replaced, or memory or files run away.
        """
        self._standstills.turn()
        try:
            for pipeline in self._pipelines:
                pipeline.supervise(self._standstills, settings)
            self._look_at_delivery()
            self._measure(settings)
        except StalledError as error:
            log.error("%s; the process ends", error)  # noqa: TRY400 - the stacks of all threads follow
            stacks.dump_stacks()
            raise
        if all(pipeline.has_begun for pipeline in self._pipelines):
            self._systemd.ready()
        else:
            self._systemd.starting()
        self._systemd.reloading(reloading)
        left_s = self._systemd.feed_watchdog()
        self._watchdog.feed(MAIN_S if left_s is None else left_s + AFTER_SYSTEMD_S)

    def growth_reasons(self, settings: SuperviseSettings) -> dict[str, str]:
        """What of this process has grown steadily for an hour, each with a sentence."""
        reasons = {}
        rss, files = self._growth.rss, self._growth.files
        if rss.steadily_above(settings.rss_growth_bytes_h):
            reasons["memory"] = f"this process grows by {(rss.per_hour or 0.0) / 1e6:.0f} MB an hour"
        if files.steadily_above(settings.open_files_growth_h):
            reasons["open files"] = f"this process gains {files.per_hour or 0.0:.0f} open files an hour"
        return reasons

    def tell(self, reasons: Mapping[str, str]) -> None:
        """Say in one line how the daemon is doing, where that has changed."""
        if reasons != self._reasons:
            self._reasons = dict(reasons)
            self._systemd.status(self._line())

    def count(self) -> None:
        """Say it with the rate since this was called before."""
        now, results = time.monotonic(), self._pipelines.results
        self._fps = (results - self._counted[1]) / max(1e-3, now - self._counted[0])
        self._counted = (now, results)
        self._systemd.status(self._line())

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """What the main loop does in the block may take so long."""
        with self._systemd.patience(seconds):
            self._watchdog.feed(seconds + AFTER_SYSTEMD_S)
            yield

    def ending(self) -> None:
        """From now on the process ends, in time."""
        self._systemd.stopping(END_S + WITHOUT_GIL_S + AFTER_SYSTEMD_S)
        self._watchdog.feed(END_S)

    def close(self) -> None:
        """The end came in time."""
        self._watchdog.close()
        self._systemd.close()

    def _look_at_delivery(self) -> None:
        act = self._publisher.heartbeat.overdue(self._standstills) if self._publisher else None
        if act:
            raise StalledError(f"delivery hangs ({act.what}): nothing for {act.limit_s:.0f} s")

    def _measure(self, settings: SuperviseSettings) -> None:
        if time.monotonic() < self._measure_at:
            return
        self._measure_at = time.monotonic() + MEASURE_S
        process = this_process()
        if self._growth.is_due:
            self._growth.add(process.rss_bytes, process.open_files)
        if settings.max_rss_bytes and process.rss_bytes > settings.max_rss_bytes:
            raise StalledError(
                f"this process takes {process.rss_bytes / 1e6:.0f} MB, more than supervise.max_rss_bytes"
            )
        if settings.max_open_files and process.open_files > settings.max_open_files:
            raise StalledError(f"this process has {process.open_files} open files, more than supervise.max_open_files")

    def _line(self) -> str:
        count = len(self._pipelines)
        devices = sorted({pipeline.model.device for pipeline in self._pipelines if pipeline.model})
        where = f" on {' and '.join(devices)}" if devices else ""
        parts = [f"{count} pipeline{'s' * (count != 1)}, {self._fps:.1f} fps{where}"]
        waiting = self._publisher.outbox.counts.waiting if self._publisher else 0
        parts += [f"{waiting} result{'s' * (waiting != 1)} wait{'s' * (waiting == 1)}"] if waiting else []
        if self._reasons:
            parts.append("degraded: " + ", ".join(f"{name}: {reason}" for name, reason in self._reasons.items()))
        return "; ".join(" ".join(part.split()) for part in parts)
