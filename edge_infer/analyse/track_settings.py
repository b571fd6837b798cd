"""What may be said of following objects."""

from typing import Annotated

from msgspec import Meta, Struct


class TrackSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Following objects: each has a number, which it keeps from frame to frame."""

    min_score: Annotated[
        float,
        Meta(
            ge=0.0,
            le=1.0,
            description="an object begins with a score >= this; with a lower one, down to `decode.min_score`, it only "
            "goes on",
        ),
    ] = 0.5
    confirm: Annotated[int, Meta(ge=1, le=100, description="frames that show an object until it has a number")] = 2
    max_missed_s: Annotated[
        float,
        Meta(
            gt=0.0, le=3600.0, description="an object that no frame shows for so long is gone: it comes back as another"
        ),
    ] = 2.0
    agnostic: Annotated[
        bool, Meta(description="an object may change its class: a model takes a van for a car, and then for a truck")
    ] = False
