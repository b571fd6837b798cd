"""A recording in the order in which its frames were captured, and its fusions told."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from edge_infer.errors import InputError, UnavailableError
from edge_infer.tape.entries import FORMAT, Beginning, Ended, Kept, Told
from edge_infer.tape.folder import fused, segments
from edge_infer.tape.segment import Kind, Place, content_of, scan


def pipelines_in(folder: Path) -> list[str]:
    """The pipelines of a recording.

    Raises:
        UnavailableError: there is none in this folder.
    """
    found = sorted(segments(folder)) if folder.is_dir() else []
    if not found:
        raise UnavailableError(f"there are no recorded inputs in {folder}: `edge-infer run --record-inputs` makes them")
    return found


E = TypeVar("E", bound=Struct)


class Tape(Generic[E]):
    """What is recorded in some files.

    Attributes:
        beginnings: by file
        lives: what stands between the start of what is recorded and its end, in order
        cut_off: files whose last record is not whole, as a kill leaves them
        damaged: what else is wrong, in sentences; more is found while it is read
    """

    def __init__(self, paths: list[Path], types: Mapping[Kind, type[E]]) -> None:
        """Look what there is.

        Raises:
            InputError: it was made by a newer version, or no file tells how it was made.
        """
        self._types = types
        self.cut_off: list[str] = []
        self.damaged: list[str] = []
        self.beginnings: dict[Path, Beginning] = {}
        places = {path: found for path in paths if (found := self._scan(path))}
        self._fill_in(list(places))
        self.lives = [
            sorted((place for path in files for place in places[path]), key=lambda place: (place.group, place.order))
            for _, files in groupby(places, key=lambda path: self.beginnings[path].life)
        ]

    def __len__(self) -> int:
        return sum(len(life) for life in self.lives)

    def entries(self, life: list[Place]) -> Iterator[tuple[Beginning, E]]:
        """Each entry, with how its file began; what is damaged is left out, and told in `damaged`."""
        for place in life:
            try:
                yield self.beginnings[place.path], self._decoded(place)
            except InputError as error:
                self.damaged.append(f"{error}, left out")

    def _scan(self, path: Path) -> list[Place]:
        found = scan(path)
        self.damaged += found.damaged
        self.cut_off += [path.name] if found.cut_off else []
        for place in found.places:
            if place.kind == "beginning":
                try:
                    content = content_of(place)
                except InputError as error:
                    self.damaged.append(f"{error}, which tells with what it was made")
                else:
                    self.beginnings[path] = _beginning(path, content)
        return [place for place in found.places if place.kind in self._types]

    def _fill_in(self, paths: list[Path]) -> None:
        """Where it is not known with what a file was made: as the one before it, or after it, in a life of its own."""
        known = list(self.beginnings)
        for path in paths:
            if path not in self.beginnings:
                if not known:
                    raise InputError(f"{path} is damaged: nothing tells with what it was made, and no other file does")
                nearest = max((other for other in known if other < path), default=known[0])
                self.beginnings[path] = msgspec.structs.replace(self.beginnings[nearest], life=path.name)

    def _decoded(self, place: Place) -> E:
        return msgspec.msgpack.decode(content_of(place), type=self._types[place.kind])


class Recorded(Tape[Kept | Ended]):
    """What was recorded of one pipeline; its lives are frames and ends in the order in which they were captured."""

    def __init__(self, folder: Path, pipeline: str) -> None:
        """Look what there is.

        Raises:
            UnavailableError: there is no such recording.
            InputError: it was made by a newer version, or no file tells how it was made.
        """
        paths = segments(folder).get(pipeline, [])
        if not paths:
            there = ", ".join(pipelines_in(folder))
            raise UnavailableError(f"there is no pipeline '{pipeline}' in {folder}: it holds {there}")
        self.pipeline = pipeline
        super().__init__(paths, {"kept": Kept, "ended": Ended})


class RecordedFusions(Tape[Told]):
    """What was recorded of all fusions; its lives are runs of the daemon, in the order in which fusions were told."""

    def __init__(self, folder: Path) -> None:
        """Look what there is; nothing, too.

        Raises:
            InputError: it was made by a newer version, or no file tells how it was made.
        """
        super().__init__(fused(folder), {"told": Told})


def _beginning(path: Path, content: bytes) -> Beginning:
    try:
        beginning = msgspec.msgpack.decode(content, type=Beginning)
    except msgspec.ValidationError as error:
        raise InputError(f"{path} is of another version: {error}: use the edge-infer that wrote it") from error
    if beginning.format != FORMAT:
        raise InputError(f"{path} is of format {beginning.format}, not {FORMAT}: use the edge-infer that wrote it")
    return beginning
