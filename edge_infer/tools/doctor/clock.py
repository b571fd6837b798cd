"""The clock: certificates and the times of results are worth as much as it is."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from edge_infer.health.process import clock_state
from edge_infer.tools.doctor.finding import Finding, ok, warn
from edge_infer.wire.payloads import ClockState

RELEASED = datetime(2025, 1, 1, tzinfo=UTC).timestamp()  # no device runs this program earlier


def check_clock(
    root: Path = Path("/"),
    state: Callable[[], ClockState] = clock_state,
    now: Callable[[], float] = time.time,
) -> Iterator[Finding]:
    """Whether it is synchronised, and what it says after a power cut."""
    has_chip = any((root / "sys/class/rtc").glob("rtc*"))
    chip = "" if has_chip else "; no clock chip: after a power cut it is wrong until the network is there"
    shown = datetime.fromtimestamp(now(), UTC).isoformat(" ", "seconds").replace("+00:00", " UTC")
    if state() == "synced":
        yield ok("clock", f"{shown}, synchronised{chip}")
        return
    wrong = ", which is wrong: TLS certificates will not be valid" if now() < RELEASED else ""
    yield warn(
        "clock",
        f"{shown}, not synchronised{wrong}{chip}",
        "let it follow a time server, and see that UDP port 123 gets out",
        "sudo timedatectl set-ntp true && timedatectl timesync-status",
    )
