"""What the tests configure: every kind of field that a struct may have, and texts about it."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct, field

from edge_infer import config
from edge_infer.errors import ConfigError

Name = Annotated[str, Meta(min_length=1, max_length=20, examples=["door"])]


# Limits of floats are floats everywhere: typing keeps one of Meta(ge=0) and Meta(ge=0.0), whichever came first.


class Camera(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="camera"):
    uri: Annotated[str, Meta(description="device or address", examples=["/dev/video0"])]
    size: Annotated[tuple[int, int], Meta(description="width, height")] = (640, 480)
    fps: Annotated[float, Meta(description="frames a second", gt=0.0, le=120.0)] = 10.0


class Folder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="folder"):
    path: Path
    patterns: list[str] = []


class Region(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(description="what results call it")]
    box: tuple[float, ...] | None = None


class Pipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    source: Annotated[Camera | Folder, Meta(description="where frames come from")]
    threads: Annotated[int, Meta(ge=1)] | Literal["all"] = 1
    device: Literal["auto", "cpu", "on"] = "auto"
    min_score: Annotated[Annotated[float, Meta(ge=0.0, le=1.0)] | None, Meta(description="report >= this")] = None
    regions: list[Region] = []
    live: bool = True


class Mqtt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: Annotated[str, Meta(description="the broker", examples=["mqtts://broker.local"])]
    password: str | None = None
    password_file: Annotated[Path | None, Meta(examples=["mqtt.pw"])] = None

    def __post_init__(self) -> None:
        if self.password and self.password_file:
            raise ValueError("password and password_file exclude each other: remove one")


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Literal[1]
    device: Annotated[str, Meta(description="the device's name", pattern=r"^[^+#/]*$", examples=["porch"])]
    mqtt: Mqtt | None = None
    pipelines: dict[Name, Pipeline] = field(default_factory=dict)
    labels: dict[str, int] = {}
    data: Path = field(default_factory=lambda: Path("/var/lib/edge"))


def problems_of(text: str, type_: type[Struct] = Settings) -> list[tuple[int, int, str]]:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, type_)
    return [(p.line, p.column, p.message) for p in caught.value.problems]


def in_settings(lines: str) -> str:
    return "version: 1\ndevice: porch\n" + lines


def in_pipeline(line: str) -> str:
    return in_settings(f"pipelines:\n  door:\n    source: {{kind: folder, path: x}}\n    {line}\n")
