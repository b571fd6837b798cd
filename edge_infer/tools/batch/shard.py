"""Items through a model: what each worker does, whoever started it."""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import cv2
import msgspec
from msgspec import Struct

from edge_infer.errors import DelegateError, EdgeInferError, UnavailableError
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.sources.images import read_image
from edge_infer.sources.source import EndOfStream
from edge_infer.tools.batch.clip import Clip
from edge_infer.tools.batch.items import Item, shown
from edge_infer.tools.batch.rows import Row, error_row, row_of


class ModelSpec(Struct, frozen=True):
    """How a worker gets its model, wherever it runs: the arguments of `edge_infer.load`, with absolute paths.

    Attributes:
        folder: where the relative paths of inputs start
    """

    path: str
    options: dict[str, Any]
    folder: str


class Loaded(Struct, frozen=True, tag=True):
    """The model is there, and the first item can come."""


class Answer(Struct, frozen=True, tag=True):
    """What came of one item.

    Attributes:
        row: a line of JSON without its end; None where there is nothing to say
        error: why there is no answer in it
        last: the video has no such frame, and none after it
        frames: how many frames the video's header promises
    """

    row: bytes | None
    error: str | None = None
    last: bool = False
    frames: int | None = None


def settle(spec: ModelSpec) -> None:
    """Make this process one of a worker, which shares the machine with others.

    Raises:
        UnavailableError: the folder of the inputs is not there: another machine.
    """
    cv2.setNumThreads(1)  # each core has a worker of its own
    try:
        os.chdir(spec.folder)
    except OSError as error:
        raise UnavailableError(f"a worker does not see the folder {spec.folder} ({error.strerror})") from error


def run_shard(items: Iterable[Item], spec: ModelSpec) -> Iterator[Loaded | Answer]:
    """`Loaded` once the model is there, then one answer for each item, in their order. Items are taken one by one.

    Raises:
        EdgeInferError: the model cannot be loaded, or its accelerator failed: no item is to blame.
    """
    with load(spec.path, **spec.options) as model, closing(_Watched()) as watched:
        yield Loaded()
        for item in items:
            try:
                yield _answer(item, model, watched)
            except DelegateError:
                raise
            except EdgeInferError as error:
                yield failure(item, str(error))
            except Exception as error:  # noqa: BLE001 - one item that we fail on does not stop the others
                yield failure(item, f"a fault of ours: {type(error).__name__}: {error}")


def failure(item: Item, why: str) -> Answer:
    """The answer for an item that has none."""
    where = {} if item.frame is None else {"frame": item.frame}
    return Answer(msgspec.json.encode(error_row(shown(item.input), why, **where)), error=why)


class _Watched:
    """The video that is being read, if there is one."""

    def __init__(self) -> None:
        self._clip: Clip | None = None

    def open(self, path: str) -> Clip:
        """The video at a path, opened or as it stands; another one is closed."""
        if self._clip is None or self._clip.path != path:
            self.close()
            self._clip = Clip(path)
        return self._clip

    def close(self) -> None:
        if self._clip:
            self._clip.close()
            self._clip = None


def _answer(item: Item, model: Model, watched: _Watched) -> Answer:
    if item.frame is None:
        model.forget()
        return _said(row_of(shown(item.input), model(read_image(item.input))))
    try:
        clip = watched.open(item.input)
    except EdgeInferError as error:
        return _end(item, str(error))
    try:
        frame, time_s = clip.frame(item.frame)
    except EndOfStream:
        return _end(item, clip.breaks_off(item.frame))
    row = row_of(shown(item.input), model.predict(frame), frame=item.frame, time_s=time_s)
    return _said(row, frames=clip.frames)


def _said(row: Row, frames: int | None = None) -> Answer:
    error = row.get("error", row["status"]) if row["status"] in ("error", "timeout") else None
    return Answer(msgspec.json.encode(row), error=error, frames=frames)


def _end(item: Item, why: str | None) -> Answer:
    """There are no more frames, or none at all; a row about the whole video where it ought to have them."""
    row = error_row(shown(item.input), why) if why else None
    return Answer(msgspec.json.encode(row) if row else None, error=why, last=True)
