"""What health says of the machine and its accelerators. What cannot be read is null, never 0."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

Hindrance: TypeAlias = Literal["under_voltage", "frequency_capped", "throttled", "soft_temperature_limit"]


class Throttling(Struct, frozen=True, kw_only=True):
    """What makes the processor slower than it could be."""

    now: tuple[Hindrance, ...]
    since_boot: Annotated[tuple[Hindrance, ...] | None, Meta(description="null where only the present is known")]


class DiskWear(Struct, frozen=True, kw_only=True):
    """How much of its life an eMMC has behind it, as it says itself; SD cards do not say."""

    life_used_percent: Annotated[int | None, Meta(description="at most this much, in steps of 10; 110: beyond it")]
    spare_blocks: Annotated[
        Literal["normal", "warning", "urgent"] | None, Meta(description="warning: 80 % of them are used up")
    ]


class NetworkHealth(Struct, frozen=True, kw_only=True):
    """One network interface since the machine was started."""

    rx_bytes: int
    tx_bytes: int
    rx_errors: int
    tx_errors: int
    rx_dropped: int
    tx_dropped: int


class MachineHealth(Struct, frozen=True, kw_only=True):
    """The machine that the device is; null is what cannot be read."""

    cpu_percent: Annotated[float | None, Meta(description="of all cores, since the last report")] = None
    load: Annotated[tuple[float, float, float] | None, Meta(description="averages over 1, 5 and 15 minutes")] = None
    cores: Annotated[int | None, Meta(description="that this process may use")] = None
    temperature_c: Annotated[float | None, Meta(description="of the processor")] = None
    throttling: Throttling | None = None
    memory_bytes: int | None = None
    memory_available_bytes: Annotated[int | None, Meta(description="what new programs could use without swap")] = None
    disk_bytes: Annotated[int | None, Meta(description="of the file system that holds the state folder")] = None
    disk_free_bytes: int | None = None
    disk_wear: Annotated[dict[str, DiskWear], Meta(description="by block device")] = {}
    network: Annotated[dict[str, NetworkHealth], Meta(description="by interface")] = {}


class AcceleratorHealth(Struct, frozen=True, kw_only=True):
    """One accelerator since the daemon started."""

    state: Literal["starting", "running", "quarantined", "absent"]
    started: Annotated[int, Meta(description="child processes started for it so far")]
    faults: Annotated[
        dict[str, int], Meta(description="by kind: hang, crash, error (it says so), load, lie (a wrong answer)")
    ]
    last_fault: Annotated[str | None, Meta(description="the newest of them, in a sentence")]
    retry_in_s: Annotated[float | None, Meta(description="quarantined: when it is tried again")]
    temperature_c: float | None
    invokes: int
    p50_ms: float | None
    p99_ms: float | None
    deadline_s: Annotated[float | None, Meta(description="an inference that takes longer counts as a hang")]
