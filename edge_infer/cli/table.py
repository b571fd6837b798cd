"""What `watch` shows: one block a device, redrawn in place on a terminal."""

import shutil
import sys
from datetime import datetime
from typing import TextIO

from edge_infer.tools.watch import Device, Happened, Stream, Watch
from edge_infer.wire.events import WireEvent
from edge_infer.wire.result_payloads import WireResult

STAGES = ("wait", "prepare", "infer", "decode")


def render(watch: Watch) -> list[str]:
    """The lines of the table."""
    lines = []
    for name, device in sorted(watch.devices.items()):
        lines.append(_device_line(name, device))
        reasons = (device.status.reasons or {}) if device.status else {}
        lines += [f"  {pipeline}: {reason}" for pipeline, reason in reasons.items()]
        for pipeline, stream in sorted(device.streams.items()):
            lines += _stream_lines(pipeline, stream, device)
        for pipeline, happened in sorted(device.happened.items()):
            lines += _event_lines(pipeline, happened)
    if watch.unreadable:
        lines.append(f"{watch.unreadable} messages could not be read")
    return lines or ["nothing heard yet"]


def _device_line(name: str, device: Device) -> str:
    state = device.status.state if device.status else "?"
    memory = f"  rss {device.health.rss_bytes / 1e6:.0f} MB" if device.health else ""
    return f"{name}  {state}  received {device.received}  lost {device.lost}  evicted {device.evicted}{memory}"


def _stream_lines(pipeline: str, stream: Stream, device: Device) -> list[str]:
    health = device.health.pipelines.get(pipeline) if device.health else None
    frames = f"frames in {health.frames}  " if health else ""
    dropped = ", ".join(f"{cause} {count}" for cause, count in sorted(stream.dropped.items())) or "none"
    times = {name: (h.percentile(0.5), h.percentile(0.95)) for name in STAGES if (h := stream.stages.get(name))}
    if health:  # known only after the result has left
        times |= {name: (t.p50, t.p95) for name in ("publish", "total") if (t := health.stages_ms.get(name))}
    return [
        f"  {pipeline}: {frames}results {stream.received}  {stream.fps:.1f} fps  dropped: {dropped}",
        f"    {'ms':<4}" + "".join(f"{name:>9}" for name in times),
        f"    {'p50':<4}" + "".join(f"{p50:>9.2f}" for p50, _ in times.values()),
        f"    {'p95':<4}" + "".join(f"{p95:>9.2f}" for _, p95 in times.values()),
        f"    last {_last(stream.last)}",
    ]


def _last(result: WireResult | None) -> str:
    if result is None:
        return "-"
    found = [f"{d.label} {d.score:.2f} at {', '.join(f'{v:.0f}' for v in d.box)}" for d in result.detections or ()]
    found += [f"{c.label} {c.score:.2f}" for c in result.classes or ()]
    return f"frame {result.frame}: {'; '.join(found[:3]) or result.error or 'nothing'}"


def _event_lines(pipeline: str, happened: Happened) -> list[str]:
    lines = [f"  {pipeline} events: {happened.received}, going on: {len(happened.going)}"]
    return lines + [f"    {told(event)}" for event in reversed(happened.last)]


def told(event: WireEvent) -> str:
    """An event in a line: when, what, where, how sure, how long."""
    at = datetime.fromtimestamp(event.time).astimezone().strftime("%H:%M:%S")
    what = {"zone": f"{event.label} in {event.where}", "line": f"{event.label} crossed {event.where}"}.get(
        event.kind, event.label
    )
    parts = [f"{at}  {event.direction if event.kind == 'line' else event.phase:<6}  {what}"]
    if event.track is not None:
        parts.append(f"track {event.track}")
    if event.score is not None:
        parts.append(f"{event.score:.2f}")
    if event.phase == "end" and event.kind != "line":
        parts.append(f"{event.reason} after {event.duration_s:.1f} s")
    counts = ", ".join(f"{name} {count}" for name, count in event.counts.items())
    return "  ".join([*parts, f"({counts})"] if counts else parts)


class Screen:
    """Redraws lines in place on a terminal; elsewhere it prints them only at the end."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._height = 0

    def show(self, lines: list[str], *, last: bool = False) -> None:
        """Replace what was shown before."""
        if not self._terminal and not last:
            return
        if self._terminal:  # a line that wraps, or one that scrolls out, would spoil the redrawing
            columns, rows = shutil.get_terminal_size()
            if len(lines) >= rows:
                lines = [*lines[: rows - 2], f"... {len(lines) - rows + 2} more lines: this terminal is too small"]
            lines = [line[: columns - 1] for line in lines]
        back = f"\x1b[{self._height}F\x1b[J" if self._terminal and self._height else ""
        self._stream.write(back + "\n".join(lines) + "\n")
        self._stream.flush()
        self._height = len(lines)
