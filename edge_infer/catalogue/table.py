"""The table of well-known models: what each is, and where its files come from."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge_infer import config
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.config.words import did_you_mean
from edge_infer.errors import UsageError

TABLE = Path(__file__).with_name("models.yaml")
NAME = "^[a-z0-9]+(-[a-z0-9]+)*$"  # no dot and no slash: never mistaken for a path

Name = Annotated[str, Meta(pattern=NAME)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Download(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file to fetch; `size` (bytes) and `sha256` are those of what the address gives, None where nobody knows."""

    urls: Annotated[tuple[str, ...], Meta(min_length=1, description="the same file, the first one that answers wins")]
    size: Annotated[int, Meta(ge=1)] | None = None
    sha256: Sha256 | None = None
    member: Annotated[str | None, Meta(description="the file in the .zip or .tar.gz that the address gives")] = None

    @property
    def file_name(self) -> str:
        """What the address gives: the file, or the archive that holds it."""
        return self.urls[0].partition("?")[0].rpartition("/")[2]

    @property
    def name(self) -> str:
        """What the file is called in the bundle."""
        return self.member.rpartition("/")[2] if self.member else self.file_name


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model, for the CPU and perhaps compiled for the Edge TPU."""

    task: str
    about: str
    license: str
    cpu: Download
    edgetpu: Download | None = None
    labels: Download | None = None
    prepare: Prepare = Prepare()
    decode: Decode = Decode()

    def downloads(self, *, edgetpu: bool) -> dict[str, Download]:
        """What belongs to it, by its part of the bundle."""
        parts = {"cpu": self.cpu, "edgetpu": self.edgetpu if edgetpu else None, "labels": self.labels}
        return {part: download for part, download in parts.items() if download}


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    version: Literal[1]
    models: dict[Name, Entry]


@cache
def models() -> dict[str, Entry]:
    """All models by name."""
    return config.load(TABLE, Table).models


def entry(name: str) -> Entry:
    """One model.

    Raises:
        UsageError: there is no model of this name; the message has the nearest one.
    """
    if found := models().get(name):
        return found
    raise UsageError(unknown(name, models()))


def unknown(name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is none."""
    hint = did_you_mean(name, known)
    return f"none is called '{name}'{': ' + hint if hint else ''} (`edge-infer models list` shows them all)"
