"""What the messages say: JSON, one struct a topic. Within v1 keys are only added; readers ignore unknown ones.

Times are seconds since 1970 by the device's clock (`clock` says whether it can be believed), `mono_ns` is the
device's monotonic clock, scores lie in 0..1, boxes and points are in captured-frame pixels.
"""

from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar

from msgspec import Meta, Struct

from edge_infer.wire.machine import AcceleratorHealth, MachineHealth

# A wildcard or NUL in a topic to publish on is a protocol error. Source: MQTT 5 specification, 3.3.2.1 and 1.5.4.
PUBLISHABLE = r"^[^#+\x00]{1,1000}$"
MAX_INT = 2**53 - 1  # Source: RFC 8259, 6: what every reader of JSON takes exactly
Epoch: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT)]
Seq: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_INT)]
ClockState: TypeAlias = Literal["synced", "unsynced"]
T = TypeVar("T")


class Envelope(Struct, Generic[T], frozen=True, kw_only=True):
    """Results of one pipeline; the i-th of them has the sequence number first_seq + i."""

    schema: Literal["edge-infer/results@1"] = "edge-infer/results@1"
    device: str
    epoch: Annotated[Epoch, Meta(description="grows at each start of the device's daemon")]
    boot: Annotated[str, Meta(description="random at each start: tells a cloned device from the true one")]
    first_seq: Annotated[Seq, Meta(description="counts all results of this epoch, of all pipelines, from 1")]
    clock: Annotated[
        ClockState, Meta(description="whether `time` can be believed; if not, `mono_ns` tells, by another result")
    ]
    results: Annotated[list[T], Meta(min_length=1)]


class Gap(Struct, frozen=True, kw_only=True):
    """Of the sequence numbers first..last of an epoch, those that have not come will never come."""

    epoch: Epoch
    first: Seq
    last: Annotated[Seq | None, Meta(description="null: to the end of the epoch, which nobody knows (a power cut)")]
    reason: str


class Gaps(Struct, frozen=True, kw_only=True):
    """What will never come, and why."""

    schema: Literal["edge-infer/gaps@1"] = "edge-infer/gaps@1"
    device: str
    boot: str
    gaps: tuple[Gap, ...]


class Ack(Struct, frozen=True, kw_only=True):
    """What a collector has stored, after the COMMIT of its database; empty: it is there, and collects."""

    schema: Literal["edge-infer/ack@1"] = "edge-infer/ack@1"
    boot: Annotated[str, Meta(description="whose results these are: another device of this id ignores it")]
    ranges: Annotated[tuple[tuple[Epoch, Seq, Seq], ...], Meta(description="epoch, first, last of results")] = ()
    gaps: Annotated[tuple[tuple[Epoch, Seq], ...], Meta(description="epoch, first of gaps")] = ()


class CollectorStatus(Struct, frozen=True, kw_only=True):
    """Whether a collector is there. `offline` is a clean end; `lost` is the last will."""

    schema: Literal["edge-infer/collector@1"] = "edge-infer/collector@1"
    group: str
    collector: Annotated[str, Meta(description="which of the group speaks")]
    state: Literal["online", "offline", "lost"]
    time: float


class StatusMessage(Struct, frozen=True, kw_only=True):
    """Whether the device is there. `offline` is a clean end; `lost` is the last will, spoken by the broker."""

    schema: Literal["edge-infer/status@1"] = "edge-infer/status@1"
    device: str
    state: Literal["online", "degraded", "offline", "lost"]
    time: float
    epoch: int
    boot: str
    last_seq: Annotated[int | None, Meta(description="offline: the last sequence number of this epoch")] = None
    oldest: Annotated[
        tuple[int, int] | None, Meta(description="offline: epoch, seq of the oldest result that it still holds")
    ] = None
    reasons: Annotated[dict[str, str] | None, Meta(description="degraded: what is wrong, by pipeline")] = None


class SecondInfo(Struct, frozen=True, kw_only=True):
    """The model that is asked about each object of the first."""

    model: str
    sha256: str
    task: str
    device: str
    fallback_reason: str | None = None


class PipelineInfo(Struct, frozen=True, kw_only=True):
    """What a pipeline is made of."""

    source: str
    model: str
    sha256: str
    task: str
    device: str
    fallback_reason: str | None = None
    cascade: Annotated[SecondInfo | None, Meta(description="the model that is asked about each object")] = None


class Info(Struct, frozen=True, kw_only=True):
    """What the device is."""

    schema: Literal["edge-infer/info@1"] = "edge-infer/info@1"
    device: str
    time: float
    version: str
    runtime: str
    python: str
    platform: str
    machine: str
    config_sha256: str
    pipelines: dict[str, PipelineInfo]


class StageHealth(Struct, frozen=True, kw_only=True):
    """Durations of one stage since the last report, ms."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


class PipelineHealth(Struct, frozen=True, kw_only=True):
    """One pipeline since the daemon started; stages and fps since the last report."""

    state: Literal["starting", "running", "paused", "lost", "ended"]
    device: Annotated[str, Meta(description="in use now: cpu, or the accelerator")]
    fallback_reason: Annotated[str | None, Meta(description="why it is not the one that was asked for")] = None
    frames: int
    results: int
    errors: int
    fps_in: float
    fps_out: float
    frame_age_s: float | None
    source_restarts: int
    infer_restarts: Annotated[int, Meta(description="how often the model was loaded anew after a failure")] = 0
    dropped: dict[str, int]
    stages_ms: dict[str, StageHealth]
    events: Annotated[int, Meta(description="messages about what happened")] = 0


class OutboxHealth(Struct, frozen=True, kw_only=True):
    """Results on their way out: `recovered + last_seq == waiting + in_flight + acknowledged + evicted`."""

    last_seq: Annotated[int, Meta(description="how many were made since the start")]
    recovered: Annotated[int, Meta(description="those found on the disk at the start, of earlier epochs")]
    waiting: int
    in_flight: Annotated[int, Meta(description="sent, and not yet acknowledged")]
    acknowledged: int
    evicted: Annotated[int, Meta(description="given up, and reported as gaps")]
    refused: Annotated[int, Meta(description="messages that the broker refused (an ACL)")]
    resent: Annotated[int, Meta(description="results that were sent again, since no acknowledgement came")]
    unheard: Annotated[int, Meta(description="messages that nobody was subscribed to")]
    ack: Annotated[Literal["broker", "collector"], Meta(description="whose acknowledgement counts")]
    held_bytes: Annotated[int, Meta(description="what the caps count: compressed on the disk, or in RAM")]
    stored: Annotated[int, Meta(description="results on the disk")]
    oldest: Annotated[
        tuple[int, int] | None, Meta(description="epoch, seq of the oldest that is held: all before are settled")
    ]
    oldest_s: Annotated[float | None, Meta(description="age of the oldest, where it was made since the start")]
    commits: Annotated[int, Meta(description="transactions on the disk since the start")]
    written_bytes: Annotated[int | None, Meta(description="to the disk since the start, as the kernel counts")]
    trouble: Annotated[str | None, Meta(description="why nothing is kept on the disk now")]


class Health(Struct, frozen=True, kw_only=True):
    """How the device is doing."""

    schema: Literal["edge-infer/health@1"] = "edge-infer/health@1"
    device: str
    time: float
    epoch: int
    boot: str
    clock: ClockState
    uptime_s: float
    rss_bytes: int
    open_files: int
    threads: int
    children: Annotated[int | None, Meta(description="child processes, and theirs")] = None
    children_rss_bytes: int | None = None
    rss_growth_bytes_h: Annotated[float | None, Meta(description="how fast this process grows; null: not known")] = None
    open_files_growth_h: float | None = None
    reconnects: int
    pipelines: dict[str, PipelineHealth]
    outbox: Annotated[OutboxHealth | None, Meta(description="null: there is no broker, and nobody hears this")]
    machine: MachineHealth = MachineHealth()
    accelerators: Annotated[dict[str, AcceleratorHealth], Meta(description="by name, such as edgetpu:usb:0")] = {}


class Latest(Struct, Generic[T], frozen=True, kw_only=True):
    """The last result and how many of each label it holds."""

    schema: Literal["edge-infer/latest@1"] = "edge-infer/latest@1"
    device: str
    counts: dict[str, int]
    result: T
    places: Annotated[
        dict[str, dict[str, int]],
        Meta(description="of each zone the objects inside by label, of each line the crossings in each direction"),
    ] = {}


class Command(Struct, frozen=True, kw_only=True):
    """A command's JSON body (MQTT 5 may use its response topic and correlation data instead).

    What else stands in it belongs to the command of that name: docs/commands.md.
    """

    id: Annotated[
        Annotated[str, Meta(max_length=256)] | None,
        Meta(description="the same again: is not done, but answered, again"),
    ] = None
    reply_to: Annotated[Annotated[str, Meta(pattern=PUBLISHABLE)] | None, Meta(description="topic of the answer")] = (
        None
    )
    not_after: Annotated[float | None, Meta(description="later than this it is not done: seconds since 1970")] = None
    token: Annotated[str | None, Meta(description="what the device's `commands.token_file` holds")] = None


class Response(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a command."""

    id: str | None
    ok: bool
    error: str | None = None
    data: Any = None
