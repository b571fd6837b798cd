"""What `edge-infer status` shows of a daemon: one screen of text."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from edge_infer.health.live import DaemonStatus
from edge_infer.wire.machine import AcceleratorHealth, MachineHealth
from edge_infer.wire.payloads import Health, OutboxHealth, PipelineHealth, StageHealth

HEAD = ("pipeline", "state", "device", "fps in/out", "infer p50/95/99", "total p50/95/99 ms")
KEY_WIDTH = 9


def render(status: DaemonStatus) -> list[str]:
    """The lines, each of which makes sense when it is cut off at 80 columns."""
    health = status.health
    since = datetime.fromtimestamp(status.started).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    lines = [
        f"{status.device}  {status.state}  since {since} ({_span(health.uptime_s)})  "
        f"edge-infer {status.info.version}  pid {status.pid}"
    ]
    if status.stalled_s is not None:
        lines.append(f"  ! the main loop has not turned for {_span(status.stalled_s)}: nothing is supervised")
    lines += [f"  ! {part}: {reason}" for part, reason in status.reasons.items()]
    lines += ["", *_pipelines(health.pipelines), ""]
    for name, accelerator in health.accelerators.items():
        lines += _accelerator(name, accelerator)
    lines += _delivery(status)
    lines += _machine(health.machine)
    lines.append(_line("process", *_process(health)))
    if health.clock != "synced":
        lines.append(_line("clock", "not synchronised: times may be wrong"))
    lines.append(_line("files", status.config or "no configuration file", f"state in {status.state_dir}"))
    return lines


def _pipelines(pipelines: Mapping[str, PipelineHealth]) -> list[str]:
    rows = [HEAD, *(_row(name, pipeline) for name, pipeline in pipelines.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    numbers = range(3, len(HEAD))
    table = [
        "  ".join(cell.rjust(width) if i in numbers else cell.ljust(width) for i, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    lines = [table[0]]
    for line, pipeline in zip(table[1:], pipelines.values(), strict=True):
        lines.append(line)
        lines += [f"  {remark}" for remark in _remarks(pipeline)]
    return lines


def _row(name: str, pipeline: PipelineHealth) -> Sequence[str]:
    stages = pipeline.stages_ms
    return (
        name,
        pipeline.state,
        pipeline.device or "-",
        f"{pipeline.fps_in:.1f}/{pipeline.fps_out:.1f}",
        _percentiles(stages.get("infer")),
        _percentiles(stages.get("total")),
    )


def _percentiles(stage: StageHealth | None) -> str:
    return (
        "/".join(format(ms, ".1f" if ms < 100 else ".0f") for ms in (stage.p50, stage.p95, stage.p99)) if stage else "-"
    )


def _remarks(pipeline: PipelineHealth) -> list[str]:
    """What has happened, and what is not as it should be, or was not."""
    counts = {"events": pipeline.events, "errors": pipeline.errors, "source restarts": pipeline.source_restarts}
    counts |= {"model restarts": pipeline.infer_restarts}
    parts = [f"{name} {count}" for name, count in counts.items() if count]
    if pipeline.dropped:
        parts.append("dropped: " + ", ".join(f"{cause} {count}" for cause, count in sorted(pipeline.dropped.items())))
    lines = [", ".join(parts)] if parts else []
    return lines + ([f"not on the accelerator: {pipeline.fallback_reason}"] if pipeline.fallback_reason else [])


def _accelerator(name: str, found: AcceleratorHealth) -> list[str]:
    lines = [
        _line(
            name,
            found.state if found.retry_in_s is None else f"{found.state}, again in {_span(found.retry_in_s)}",
            f"{found.invokes} inferences",
            None if found.p50_ms is None or found.p99_ms is None else f"{found.p50_ms:.1f}/{found.p99_ms:.1f} ms",
            None if found.deadline_s is None else f"limit {found.deadline_s:.1f} s",
            None if found.temperature_c is None else f"{found.temperature_c:.0f} C",
        )
    ]
    if found.faults:
        faults = ", ".join(f"{kind} {count}" for kind, count in sorted(found.faults.items()))
        lines.append(f"  faults: {faults}; {found.started} processes so far")
    return lines + ([f"  the last fault: {found.last_fault}"] if found.last_fault else [])


def _delivery(status: DaemonStatus) -> list[str]:
    broker, outbox = status.broker, status.health.outbox
    if not broker or not outbox:
        return [_line("broker", "none is configured")]
    reconnects = status.health.reconnects
    connection = (
        f"connected to {broker.url}" if broker.connected else broker.error or f"not connected to {broker.url} yet"
    )
    lines = [_line("broker", connection, f"{reconnects} reconnects" if reconnects else None)]
    return [*lines, _line("outbox", *_outbox(outbox))]


def _outbox(outbox: OutboxHealth) -> Sequence[str | None]:
    oldest = f"the oldest {_span(outbox.oldest_s)}" if outbox.oldest_s and outbox.waiting else None
    return (
        f"{outbox.waiting} wait",
        oldest,
        f"{outbox.evicted} given up",
        f"{outbox.refused} refused" if outbox.refused else None,
        f"{outbox.in_flight} in flight",
        f"{outbox.acknowledged} acknowledged by the {outbox.ack}",
        f"{_megabytes(outbox.held_bytes)} held",
    )


def _machine(machine: MachineHealth) -> list[str]:
    cpu = f"cpu {_known(machine.cpu_percent, '.0f')} % of {_known(machine.cores, 'd')} cores"
    heat = None if machine.temperature_c is None else f"{machine.temperature_c:.0f} C"
    lines = [
        _line(
            "machine",
            cpu,
            f"load {machine.load[0]:.2f}" if machine.load else None,
            heat,
            f"memory {_free(machine.memory_available_bytes, machine.memory_bytes)}",
            f"disk {_free(machine.disk_free_bytes, machine.disk_bytes)}",
        )
    ]
    if machine.throttling and (machine.throttling.now or machine.throttling.since_boot):
        words = {"now": machine.throttling.now, "since boot": machine.throttling.since_boot or ()}
        said = [f"{when}: {', '.join(what).replace('_', ' ')}" for when, what in words.items() if what]
        lines.append(_line("", "slowed down", *said))
    for disk, wear in machine.disk_wear.items():
        used = None if wear.life_used_percent is None else f"{wear.life_used_percent} % of its life used"
        lines.append(_line("", disk, used, f"spare blocks: {wear.spare_blocks}" if wear.spare_blocks else None))
    return lines


def _process(health: Health) -> Sequence[str | None]:
    children = None
    if health.children and health.children_rss_bytes is not None:
        children = f"{health.children} children {_megabytes(health.children_rss_bytes)}"
    growth = None
    if health.rss_growth_bytes_h is not None:
        growth = (
            f"grows {health.rss_growth_bytes_h / 1e6:+.1f} MB/h, {_known(health.open_files_growth_h, '+.1f')} files/h"
        )
    return (
        _megabytes(health.rss_bytes),
        f"{health.open_files} files",
        f"{health.threads} threads",
        children,
        growth,
    )


def _line(key: str, *parts: str | None) -> str:
    return f"{key:<{KEY_WIDTH}} " + "  ".join(part for part in parts if part)


def _known(value: float | None, form: str) -> str:
    return "?" if value is None else format(value, form)


def _free(free: int | None, of: int | None) -> str:
    if free is None or of is None:
        return "?"
    return f"{free / 1e9:.1f}/{of / 1e9:.1f} GB free"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _span(seconds: float) -> str:
    """A duration, the longer the coarser."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    days, rest = divmod(timedelta(seconds=seconds), timedelta(days=1))
    hours, minutes = rest.seconds // 3600, rest.seconds % 3600 // 60
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min" if hours else f"{minutes} min"
