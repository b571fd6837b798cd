"""Beside an output: what made it, so that nothing else is mixed into it; and which videos have come to their end."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.digest import digest_of
from edge_infer.errors import StalledError, UnavailableError
from edge_infer.tools.batch.disk import writing
from edge_infer.tools.batch.shard import ModelSpec

SUFFIX = ".batch"
FILES = ("labels", "gallery")  # options that name one: what is in it matters
NO_MATTER = ("threads",)  # for what a model says


class Maker(Struct, frozen=True):
    """The model's files with their digests, and what was said about it."""

    schema: Literal["edge-infer/batch@1"]
    model: str
    files: dict[str, str]
    options: dict[str, Any]

    @classmethod
    def of(cls, spec: ModelSpec) -> "Maker":
        """What makes the rows of a batch.

        Raises:
            UnavailableError: no such model, or labels.
            ModelError: its folder is incomplete.
            ConfigError: its manifest is wrong.
        """
        bundle = open_bundle(Path(spec.path))
        parts = (bundle.manifest, bundle.cpu, bundle.edgetpu, bundle.labels, bundle.decode.gallery)
        files = {path.name: _sha256(path) for path in parts if path and path.exists()}
        options = {name: value for name, value in spec.options.items() if value is not None and name not in NO_MATTER}
        options |= {name: _sha256(Path(options[name])) for name in FILES if name in options}
        plain = msgspec.json.decode(msgspec.json.encode(options, enc_hook=str))  # as it is read back
        return cls(schema="edge-infer/batch@1", model=bundle.name, files=files, options=plain)

    def changes(self, now: "Maker") -> list[str]:
        """What is another now than it was."""
        names = sorted({*self.options, *now.options})
        before, after = ({name: maker.options.get(name) for name in names} for maker in (self, now))
        files = [f"{name} is another" for name, digest in now.files.items() if digest not in self.files.values()]
        gone = [f"{name} is gone" for name, digest in self.files.items() if digest not in now.files.values()]
        said = [f"{name} was {before[name]}, is {after[name]}" for name in names if before[name] != after[name]]
        return (files or gone) + said


class Finished(Struct, frozen=True):
    """All frames of this video are in the output."""

    finished: str


class Record:
    """The file `<output>.batch`: a line with the maker, and one for each finished video. One process owns it."""

    def __init__(self, out: Path) -> None:
        """Take it; it is made where it is not there.

        Raises:
            UnavailableError: its folder is not there, or not to be written to.
            StalledError: another process has it.
        """
        self.path = out.with_name(out.name + SUFFIX)
        self.maker: Maker | None = None
        self.finished: set[str] = set()
        try:
            self._file = self.path.open("ab+", buffering=0)
        except OSError as error:
            raise UnavailableError(
                f"cannot write {self.path} ({error.strerror}): check the folder of --out, and that you may write there"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise StalledError(f"another batch writes {out} now: wait for its end, or give another --out") from error
        self._read()

    def _read(self) -> None:
        self._file.seek(0)
        lines = self._file.read().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # torn by a kill
            os.ftruncate(self._file.fileno(), sum(map(len, lines[:-1])))
            del lines[-1]
        with suppress(msgspec.MsgspecError):
            self.maker = msgspec.json.decode(lines[0], type=Maker) if lines else None
            self.finished = {msgspec.json.decode(line, type=Finished).finished for line in lines[1:]}

    def begin(self, maker: Maker) -> None:
        """A new output, made by this."""
        with writing(self.path):
            os.ftruncate(self._file.fileno(), 0)
            self._put(maker)
        self.maker, self.finished = maker, set()

    def finish(self, video: str) -> None:
        """All its frames are on the disk."""
        with writing(self.path):
            self._put(Finished(video))

    def _put(self, line: Struct) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let others have it."""
        self._file.close()


def _sha256(path: Path) -> str:
    try:
        return digest_of(path)
    except OSError as error:
        raise UnavailableError(f"cannot read {path} ({error.strerror}): check the path") from error
