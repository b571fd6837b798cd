"""How results are kept until they are acknowledged, as a configuration may say it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class OutboxSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Results that have not been acknowledged yet: on the disk in the state folder."""

    durability: Annotated[
        Literal["relaxed", "strict"],
        Meta(
            description="relaxed: a power cut costs at most the last commit_s; strict: a result is on the disk before "
            "the next one is made"
        ),
    ] = "relaxed"
    commit_s: Annotated[
        float, Meta(ge=0.05, le=60.0, description="what is not acknowledged after so long is written to the disk")
    ] = 1.0
    max_bytes: Annotated[
        int,
        Meta(
            ge=100_000,
            description="compressed, about 170 bytes a result of five objects; beyond it the oldest are given up",
        ),
    ] = 64_000_000
    max_rows: Annotated[int, Meta(ge=100, description="results, events and health records together")] = 1_000_000
    max_age_s: Annotated[
        Annotated[float, Meta(gt=0.0)] | None, Meta(description="what is older is given up; default: no limit")
    ] = None
    min_free_bytes: Annotated[
        int, Meta(ge=0, description="the outbox does not grow while the disk has less space than this")
    ] = 64_000_000
