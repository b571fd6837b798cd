"""What a running daemon answers on its socket to whoever asks on this machine."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge_infer.wire.payloads import Health, Info


class BrokerStatus(Struct, frozen=True, kw_only=True):
    """The connection to the broker."""

    url: str
    connected: bool
    error: Annotated[str | None, Meta(description="why it is not connected, if that is known")] = None


class DaemonStatus(Struct, frozen=True, kw_only=True):
    """One daemon now. Rates and durations of its `health` are those of the last seconds."""

    schema: Literal["edge-infer/daemon@1"] = "edge-infer/daemon@1"
    device: str
    state: Annotated[
        Literal["online", "degraded", "stalled"], Meta(description="stalled: the main loop hangs, nobody supervises")
    ]
    reasons: Annotated[dict[str, str], Meta(description="what is wrong, by pipeline or part")]
    stalled_s: Annotated[float | None, Meta(description="since when the main loop has not turned")]
    time: float
    started: Annotated[float, Meta(description="seconds since 1970, by the clock as it is now")]
    pid: int
    config: Annotated[str | None, Meta(description="its configuration file")]
    state_dir: str
    broker: BrokerStatus | None
    first_results_s: Annotated[
        dict[str, Mapping[str, float]],
        Meta(description="by pipeline: how long the process took until its first result, and each stage of that"),
    ] = {}
    info: Info
    health: Health
