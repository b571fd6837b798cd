"""What a configuration may say about frames that need not be looked at (docs/gates.md)."""

from typing import Annotated

from msgspec import Meta, Struct

Point = tuple[Annotated[float, Meta(ge=0.0, le=1.0)], Annotated[float, Meta(ge=0.0, le=1.0)]]
Polygon = Annotated[tuple[Point, ...], Meta(min_length=3)]


class MotionGate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pictures in which nothing moves are left out."""

    threshold: Annotated[
        int,
        Meta(ge=1, le=255, description="a pixel whose grey level changed by more, and by more than is usual, moved"),
    ] = 12
    area: Annotated[
        float, Meta(gt=0.0, le=1.0, description="share of the picture that must have moved, in one piece")
    ] = 0.0005
    hold_s: Annotated[float, Meta(ge=0.0, description="look on for so long after the last motion")] = 2.0
    at_least_s: Annotated[
        float, Meta(gt=0.0, description="look at one frame at least this often: what stands still is still seen")
    ] = 2.0
    ignore: Annotated[
        tuple[Polygon, ...],
        Meta(description="where motion does not count: polygons of x, y from 0 to 1; a tree, the clock in the picture"),
    ] = ()


class QuietGate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Windows of sound in which nothing is heard are left out."""

    min_dbfs: Annotated[
        float, Meta(ge=-120.0, le=0.0, description="a window as loud as this is listened to; full scale is 0")
    ] = -50.0
    hold_s: Annotated[float, Meta(ge=0.0, description="listen on for so long after the last loud window")] = 2.0
    at_least_s: Annotated[float, Meta(gt=0.0, description="listen to one window at least this often")] = 10.0


class StrideGate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Only every n-th frame is looked at, and fewer while the machine is too busy or too hot."""

    every: Annotated[int, Meta(ge=1, le=1000, description="look at every n-th frame; 1: at each")] = 1
    most: Annotated[
        int,
        Meta(ge=1, le=1000, description="while it is too busy or too hot, go up to every n-th; doubles step by step"),
    ] = 16
    max_load: Annotated[
        Annotated[float, Meta(gt=0.0, le=1.0)] | None,
        Meta(description="too busy: more than this share of all cores is used (live sources only)"),
    ] = None
    max_temp_c: Annotated[
        Annotated[float, Meta(ge=0.0, le=120.0)] | None,
        Meta(description="too hot: the processor is hotter, or its firmware slows it down (live sources only)"),
    ] = None


class GateSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which frames need not be looked at; each that is left out is counted with its cause."""

    motion: Annotated[MotionGate | None, Meta(description="leave out pictures in which nothing moves")] = None
    quiet: Annotated[QuietGate | None, Meta(description="leave out sound below a level")] = None
    stride: Annotated[StrideGate | None, Meta(description="leave out all but every n-th frame")] = None
