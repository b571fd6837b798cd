"""Answers of daemons, as their types have them: one with the least that there can be, one with all."""

from typing import Any

import msgspec

from edge_infer.health.live import BrokerStatus, DaemonStatus
from edge_infer.wire.machine import AcceleratorHealth, DiskWear, MachineHealth, NetworkHealth, Throttling
from edge_infer.wire.payloads import Health, Info, OutboxHealth, PipelineHealth, StageHealth

INFO = Info(
    device="porch",
    time=0.0,
    version="1.2.3",
    runtime="ai_edge_litert 2.3.0",
    python="3.11",
    platform="Linux",
    machine="aarch64",
    config_sha256="ab",
    pipelines={},
)
DOOR = PipelineHealth(
    state="running",
    device="edgetpu:usb",
    frames=12,
    results=11,
    errors=1,
    fps_in=10.04,
    fps_out=9.96,
    frame_age_s=0.5,
    source_restarts=2,
    infer_restarts=3,
    dropped={"rate": 4, "overrun": 1},
    stages_ms={
        "infer": StageHealth(count=9, p50=2.04, p95=3.0, p99=104.4, max=104.5),
        "total": StageHealth(count=9, p50=12.3, p95=110.2, p99=1234.0, max=1234.0),
    },
)
YARD = msgspec.structs.replace(
    DOOR, state="lost", device="cpu", fallback_reason="no Edge TPU is plugged in", stages_ms={}
)
CORAL = AcceleratorHealth(
    state="quarantined",
    started=3,
    faults={"hang": 2, "crash": 1},
    last_fault="it gave no answer for 1.2 s",
    retry_in_s=5.2,
    temperature_c=47.8,
    invokes=99,
    p50_ms=4.04,
    p99_ms=5.1,
    deadline_s=1.2,
)
OUTBOX = OutboxHealth(
    last_seq=9,
    recovered=1,
    waiting=2,
    in_flight=3,
    acknowledged=4,
    evicted=1,
    refused=5,
    resent=0,
    unheard=0,
    ack="collector",
    held_bytes=1_234_567,
    stored=2,
    oldest=(1, 1),
    oldest_s=7.5,
    commits=8,
    written_bytes=None,
    trouble=None,
)
MACHINE = MachineHealth(
    cpu_percent=25.0,
    load=(0.5, 0.4, 0.3),
    cores=4,
    temperature_c=61.3,
    throttling=Throttling(now=("under_voltage",), since_boot=("under_voltage", "throttled")),
    memory_bytes=3_800_000_000,
    memory_available_bytes=2_100_000_000,
    disk_bytes=31_000_000_000,
    disk_free_bytes=21_400_000_000,
    disk_wear={"mmcblk0": DiskWear(life_used_percent=20, spare_blocks="normal")},
    network={"eth0": NetworkHealth(rx_bytes=10, tx_bytes=20, rx_errors=1, tx_errors=2, rx_dropped=3, tx_dropped=4)},
)
HEALTH = Health(
    device="porch",
    time=0.0,
    epoch=1,
    boot="b",
    clock="synced",
    uptime_s=200_000.0,
    rss_bytes=91_234_567,
    open_files=14,
    threads=9,
    reconnects=6,
    pipelines={"door": DOOR},
    outbox=None,
)


def a_status(**health: Any) -> DaemonStatus:
    """With nothing known but what always is, and this."""
    return DaemonStatus(
        device="porch",
        state="degraded",
        reasons={"door": "no frame for 5 s"},
        stalled_s=None,
        time=2.0,
        started=1.0,
        pid=4711,
        config=None,
        state_dir="/var/lib/edge-infer",
        broker=None,
        info=INFO,
        health=msgspec.structs.replace(HEALTH, **health),
    )


def complete() -> DaemonStatus:
    """With all that can be known."""
    status = a_status(
        pipelines={"door": DOOR, "yard": YARD},
        outbox=msgspec.structs.replace(OUTBOX, written_bytes=1),
        machine=MACHINE,
        accelerators={"edgetpu:usb:0": CORAL},
        children=2,
        children_rss_bytes=47_300_000,
        rss_growth_bytes_h=1_500_000.0,
        open_files_growth_h=0.0,
        clock="unsynced",
    )
    broker = BrokerStatus(url="mqtt://broker.local", connected=True)
    return msgspec.structs.replace(status, broker=broker, stalled_s=4000.0, state="stalled", config="/etc/c.yaml")
