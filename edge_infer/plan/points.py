"""What was measured of a model in one setting, and which setting is best for what."""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

Profile: TypeAlias = Literal["latency", "throughput"]
PROFILES: tuple[Profile, ...] = ("latency", "throughput")

# Of two settings this close the one that takes less wins: measuring again could turn them round. Source: `tune` four
# times, the same model on a virtual machine: 229 to 235 frames a second, the bound of p90 4.4 to 5.6 ms.
SAME_FPS = 0.95
SAME_P90 = 1.10
CPU = "cpu"


class Point(Struct, frozen=True, kw_only=True):
    """One setting of one model file.

    Attributes:
        device: `cpu`, or the kind of accelerator: `edgetpu:usb`
        accelerators: of that kind that were used at a time; 0 on the CPU
        p90_ms: of a frame: prepared, inferred, decoded; `is_bound`: 90 % stay below it with 99 % confidence
        infer_p90_ms: of the inference alone, as health reports it
        frames: that were measured
        cpu_ms: of this process for each frame
        memory_bytes: that this process grew by, with all workers loaded and warm
    """

    device: str
    threads: int
    workers: int
    p50_ms: float
    p90_ms: float
    infer_p90_ms: float
    is_bound: bool
    frames: int
    fps: float
    cpu_ms: float
    memory_bytes: int
    accelerators: int = 0

    @property
    def cores(self) -> int:
        """That it keeps busy; an accelerator's worker mostly waits."""
        return 0 if self.accelerators else self.threads * self.workers


def ranked(points: Iterable[Point], profile: Profile) -> list[Point]:
    """Best first. Latency: one worker only, by the 90th percentile; throughput: by frames a second.

    What is as good as the best but for noise, and takes less of the machine, stands before it.
    """
    if profile == "latency":
        found = sorted((point for point in points if point.workers == 1), key=lambda point: point.p90_ms)
        same = [point for point in found if point.p90_ms <= found[0].p90_ms * SAME_P90]
    else:
        found = sorted(points, key=lambda point: -point.fps)
        same = [point for point in found if point.fps >= found[0].fps * SAME_FPS]
    same.sort(key=lambda point: (point.cores, point.memory_bytes, point.p90_ms))
    return same + [point for point in found if point not in same]


def why_best(points: Sequence[Point], profile: Profile) -> str:
    """In a few words, why the first of `ranked` is it."""
    order = ranked(points, profile)
    best = order[0]
    if profile == "latency":
        fastest = min(order, key=lambda point: point.p90_ms)
        text, same = "lowest p90", f"p90 within {SAME_P90 - 1:.0%} of the lowest ({fastest.p90_ms:.2f} ms)"
    else:
        fastest = max(order, key=lambda point: point.fps)
        text, same = "most frames a second", f"within {1 - SAME_FPS:.0%} of the most ({fastest.fps:.1f} a second)"
    return text if best == fastest else f"{same}, and takes less"
