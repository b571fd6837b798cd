"""What a configuration may say of events that belong together (docs/fusion.md)."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct

ANY = "*"
PLACED = re.compile(r"(?P<kind>zone|line):(?P<where>[^/:]+)(?::(?P<direction>[^/]+))?/(?P<label>.+)")

Names = Annotated[tuple[str, ...], Meta(max_length=20)]


@dataclass(frozen=True, slots=True)
class Reference:
    """Which events of which pipeline; `kind` "": those of no place, `label` ANY: of every label."""

    pipeline: str
    label: str
    kind: Literal["", "zone", "line"] = ""
    where: str = ""
    direction: str = ""

    @classmethod
    def of(cls, text: str) -> "Reference":
        """From `pipeline/label`, `pipeline/zone:NAME/label` or `pipeline/line:NAME[:DIRECTION]/label`.

        Raises:
            ValueError: it is none of these.
        """
        pipeline, _, rest = text.partition("/")
        placed = PLACED.fullmatch(rest)
        if not pipeline or not rest or (rest.startswith(("zone:", "line:")) and not placed):
            raise ValueError(
                f"'{text}' is no event: write pipeline/label, pipeline/zone:NAME/label or "
                "pipeline/line:NAME:DIRECTION/label; * is every label"
            )
        if not placed:
            return cls(pipeline, rest)
        kind: Literal["zone", "line"] = "zone" if placed["kind"] == "zone" else "line"
        if kind == "zone" and placed["direction"]:
            raise ValueError(f"'{text}': a zone has no directions, write {pipeline}/zone:{placed['where']}/...")
        return cls(pipeline, placed["label"], kind, placed["where"], placed["direction"] or "")


class FusionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event, made of events of several pipelines that happen together."""

    all_of: Annotated[
        Names, Meta(description="each of these: pipeline/label, pipeline/zone:NAME/label, pipeline/line:NAME/label")
    ] = ()
    any_of: Annotated[Names, Meta(description="... and at least one of these")] = ()
    none_of: Annotated[
        Names, Meta(description="... and none of these, within_s before or after: it begins within_s later then")
    ] = ()
    within_s: Annotated[
        float,
        Meta(gt=0.0, le=3600.0, description="so much time may lie between the end of one and the start of another"),
    ] = 10.0
    hold_s: Annotated[
        float, Meta(ge=0.0, le=3600.0, description="ends when they have not been together for so long")
    ] = 0.0
    in_order: Annotated[bool, Meta(description="those of all_of must have begun one after the other, as listed")] = (
        False
    )

    def __post_init__(self) -> None:
        if not self.all_of and not self.any_of:
            raise ValueError("nothing can happen: name events in all_of or any_of")
        if self.in_order and len(self.all_of) < 2:
            raise ValueError("in_order is about two or more events in all_of")
        for text in (*self.all_of, *self.any_of, *self.none_of):
            Reference.of(text)
