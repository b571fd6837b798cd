"""What the daemon says of itself: status, info and health to the broker, all of it to whoever asks on this machine."""

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from edge_infer import __version__
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.deliver.state_dir import default_state_dir
from edge_infer.health import hardware
from edge_infer.health.live import BrokerStatus, DaemonStatus
from edge_infer.health.machine import Meter, Usage, disk
from edge_infer.health.prober import Prober
from edge_infer.health.process import clock_state, cores, this_process
from edge_infer.health.stages import Histogram
from edge_infer.model import Model
from edge_infer.pipeline import Counted, Pipeline
from edge_infer.pipelines import Pipelines
from edge_infer.runtime import pool
from edge_infer.settings import Settings
from edge_infer.starting import Starting
from edge_infer.wire.machine import AcceleratorHealth, MachineHealth
from edge_infer.wire.payloads import Health, Info, PipelineInfo, SecondInfo

MQTT_EXPIRY = 3  # health intervals until brokers drop the last report
STALLED_S = 3.0  # the main loop turns each 0.25 s, and waits for pipelines that are ended by a reload up to 2 s
RECENT_S = 2.0  # rates over less say little
PROBE_S = 10.0  # measuring takes 2 ms: this often it costs nothing, and nobody waits long for a value


class Grows(Protocol):
    """How fast this process gains memory and files; None while that is not known."""

    @property
    def rss_bytes_h(self) -> float | None:
        """Bytes in an hour."""

    @property
    def open_files_h(self) -> float | None:
        """Files in an hour."""


class Report:
    """`turn` and `publish_health` belong to the main loop; any thread may ask for `status` and `stages`."""

    def __init__(
        self,
        settings: Settings,
        pipelines: Pipelines,
        publisher: MqttPublisher | None,
        growth: Grows,
        starting: Starting,
        file: Path | None = None,
    ) -> None:
        self.state_dir = (settings.device.state_dir or default_state_dir()).absolute()
        self._device = settings.device.id
        self._pipelines = pipelines
        self._publisher = publisher
        self._growth = growth
        self._starting = starting
        self._file = file
        self._started = self._turned = time.monotonic()
        self._reasons: dict[str, str] = {}
        self._info = self._describe(settings)
        self._is_described = False  # to the broker
        self._marks: tuple[dict[Pipeline, Counted], ...] = ({}, {})  # at the last report, at the one before
        every = min(PROBE_S, settings.health.interval_s)
        self._told: Usage | None = None
        self._usage = Prober("usage", Meter().look, every)
        self._hardware = Prober("hardware", self._probe_hardware, every)

    def start(self) -> None:
        """Begin to measure."""
        self._usage.start()
        self._hardware.start()

    def close(self) -> None:
        """Measure no more."""
        self._usage.stop()
        self._hardware.stop()

    def turn(self, settings: Settings, reasons: Mapping[str, str]) -> None:
        """The main loop goes on, and this is wrong now; the broker is told if it is news."""
        self._turned = time.monotonic()
        self._reasons = dict(reasons)
        info = self._describe(settings)
        is_news = not self._is_described or msgspec.structs.replace(info, time=self._info.time) != self._info
        if is_news:
            self._info, self._is_described = info, True
        if self._publisher:
            self._publisher.set_status("degraded" if reasons else "online", reasons)
            if is_news:
                self._publisher.set_info(info)

    def publish_health(self, interval_s: float) -> None:
        """Begin a new interval, and tell the broker about the one that ends."""
        before = self._marks[0]
        self._marks = ({pipeline: pipeline.counted() for pipeline in self._pipelines}, before)
        if self._publisher:
            self._publisher.set_health(self._health(before), expiry_s=int(interval_s * MQTT_EXPIRY) + 1)

    def status(self) -> DaemonStatus:
        """All that is known now."""
        now, reasons = time.monotonic(), dict(self._reasons)
        stalled_s = now - self._turned if now - self._turned > STALLED_S else None
        broker = self._broker()
        if broker and broker.error:
            reasons["broker"] = broker.error  # the broker itself cannot be told
        return DaemonStatus(
            device=self._device,
            state="stalled" if stalled_s else "degraded" if reasons else "online",
            reasons=reasons,
            stalled_s=round(stalled_s, 1) if stalled_s else None,
            time=time.time(),
            started=round(time.time() - (now - self._started), 3),
            pid=os.getpid(),
            config=str(self._file.absolute()) if self._file else None,
            state_dir=str(self.state_dir),
            broker=broker,
            first_results_s=dict(self._starting.first_results),
            info=self._info,
            health=self._health(self._recent_marks()),
        )

    def measured(self) -> MachineHealth | None:
        """How the machine is doing; None where that has been asked since it was measured. For the main loop."""
        usage = self._usage.value
        if usage is None or usage is self._told:
            return None
        self._told = usage
        return self._machine(usage)

    def stages(self) -> dict[str, dict[str, Histogram]]:
        """How long each stage of each pipeline took since the start."""
        return {pipeline.name: pipeline.counted().stages for pipeline in list(self._pipelines)}

    def _broker(self) -> BrokerStatus | None:
        out = self._publisher
        return BrokerStatus(url=out.broker.url, connected=out.connected, error=out.last_error) if out else None

    def _recent_marks(self) -> dict[Pipeline, Counted]:
        """Those of the last report, or of the one before if that was only a moment ago."""
        last, before = self._marks
        ages_s = [(time.monotonic_ns() - counted.at_ns) / 1e9 for counted in last.values()]
        return last if min(ages_s, default=RECENT_S) >= RECENT_S else before

    def _health(self, since: Mapping[Pipeline, Counted]) -> Health:
        process, usage, publisher = this_process(), self._usage.value, self._publisher
        return Health(
            device=self._device,
            time=time.time(),
            epoch=publisher.outbox.epoch if publisher else 0,
            boot=publisher.outbox.boot if publisher else "",
            clock=clock_state(),
            uptime_s=round(time.monotonic() - self._started, 1),
            rss_bytes=process.rss_bytes,
            open_files=process.open_files,
            threads=process.threads,
            children=usage.children if usage else None,
            children_rss_bytes=usage.children_rss_bytes if usage else None,
            rss_growth_bytes_h=self._growth.rss_bytes_h,
            open_files_growth_h=self._growth.open_files_h,
            reconnects=publisher.reconnects if publisher else 0,
            pipelines={pipeline.name: pipeline.health(since.get(pipeline)) for pipeline in list(self._pipelines)},
            outbox=publisher.health() if publisher else None,
            machine=self._machine(usage),
            accelerators=accelerators(),
        )

    def _machine(self, usage: Usage | None) -> MachineHealth:
        probed = self._hardware.value or MachineHealth()
        if usage is None:
            return probed
        return msgspec.structs.replace(
            probed,
            cpu_percent=usage.cpu_percent,
            memory_bytes=usage.memory_bytes,
            memory_available_bytes=usage.memory_available_bytes,
            network=usage.network,
        )

    def _probe_hardware(self) -> MachineHealth:
        """Of firmware and disks, which may hang."""
        space, load = disk(self.state_dir), os.getloadavg()
        return MachineHealth(
            load=(round(load[0], 2), round(load[1], 2), round(load[2], 2)),
            cores=cores(),
            temperature_c=hardware.temperature_c(),
            throttling=hardware.throttling(),
            disk_bytes=space and space[0],
            disk_free_bytes=space and space[1],
            disk_wear=hardware.disk_wear(),
        )

    def _describe(self, settings: Settings) -> Info:
        models = {pipeline.name: pipeline.model for pipeline in self._pipelines if pipeline.model}
        sources = {name: str(one.source.__struct_config__.tag) for name, one in self._pipelines.settings.items()}
        return Info(
            device=self._device,
            time=time.time(),
            version=__version__,
            runtime=", ".join(sorted({model.runtime.library for model in models.values()})),
            python=platform.python_version(),
            platform=platform.platform(),
            machine=platform.machine(),
            config_sha256=msgspec.structs.replace(settings, pipelines=self._pipelines.settings).sha256(),
            pipelines={
                name: PipelineInfo(
                    source=sources[name],
                    model=str(model.id),
                    sha256=model.id.sha256,
                    task=model.task,
                    device=model.device,
                    fallback_reason=model.fallback_reason,
                    cascade=_described(model.second.model) if model.second else None,
                )
                for name, model in models.items()
            },
        )


def _described(second: Model) -> SecondInfo:
    return SecondInfo(
        model=str(second.id),
        sha256=second.id.sha256,
        task=second.task,
        device=second.device,
        fallback_reason=second.fallback_reason,
    )


def accelerators() -> dict[str, AcceleratorHealth]:
    """Those that this process uses, and how each is doing."""
    return {
        name: AcceleratorHealth(
            state=unit.state,
            started=unit.started,
            faults=dict(unit.faults),
            last_fault=unit.last_fault,
            retry_in_s=unit.retry_in_s,
            temperature_c=hardware.edge_tpu_temperature_c(int(name.rpartition(":")[2])) if ":pci:" in name else None,
            invokes=unit.invokes,
            p50_ms=unit.p50_ms,
            p99_ms=unit.p99_ms,
            deadline_s=round(unit.deadline_s, 3),
        )
        for name, unit in pool.accelerators().items()
    }
