"""What a batch is about: pictures, and frames of videos."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from edge_infer.errors import UnavailableError
from edge_infer.sources.address import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from edge_infer.sources.images import find_images


class Item(Struct, frozen=True):
    """A picture, or one frame of a video: what has one row in the output; `input` as the user named it."""

    input: str
    frame: int | None = None


@dataclass(frozen=True)
class Inputs:
    """Files, in the order in which they were given, each once; and the addresses that stand for none."""

    pictures: list[str]
    videos: list[str]
    missing: list[str]


def find_inputs(given: Sequence[str]) -> Inputs:
    """What addresses stand for: files, folders (their pictures and videos), patterns (`**` for any folders).

    Raises:
        UnavailableError: none of them stands for anything.
    """
    pictures: list[str] = []
    videos: list[str] = []
    missing: list[str] = []
    seen: set[str] = set()
    for address in given:
        try:
            paths = find_images(address, suffixes=IMAGE_SUFFIXES | VIDEO_SUFFIXES)
        except UnavailableError:
            missing.append(address)
            continue
        for path in paths:
            where = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps `..`
            if where not in seen:
                seen.add(where)
                (videos if is_video(str(path)) else pictures).append(str(path))
    if not seen:
        raise UnavailableError(
            f"there is no picture and no video at {', '.join(missing)}: check the path or the pattern"
        )
    return Inputs(pictures, videos, missing)


def is_video(path: str) -> bool:
    """Whether its frames are the items; told by its name."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def shown(path: str) -> str:
    """A path as it stands in a row: a byte that is no UTF-8 by its number, since JSON cannot hold it."""
    return os.fsencode(path).decode(errors="backslashreplace")
