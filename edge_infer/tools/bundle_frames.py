"""What a golden test is made of: pictures, or windows of recordings."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from edge_infer.errors import InputError
from edge_infer.golden.making import reduced
from edge_infer.model import Model
from edge_infer.prepare.image import ImageOptions
from edge_infer.registry import open_source
from edge_infer.sources.images import find_images, read_image
from edge_infer.sources.source import clocks
from edge_infer.sources.windows import Windows
from edge_infer.types import Frame, Wanted

WINDOWS = 8  # of a recording, evenly spread

Named = tuple[str, Frame]


def golden_frames(model: Model, inputs: Sequence[str | Path]) -> list[Named]:
    """The frames that these files, folders or patterns of pictures hold, or these recordings; what each is called.

    Raises:
        UnavailableError: there is no such file.
        InputError: it cannot be read, or is not what the model takes.
    """
    if not inputs:
        return []
    if model.wanted:
        named = [each for given in inputs for each in _windows(str(given), model.wanted)]
    else:
        named = [(str(path), _picture(path, model)) for path in find_images(inputs)]
    return [(name, replace(frame, source="golden", number=i)) for i, (name, frame) in enumerate(named)]


def _picture(path: Path, model: Model) -> Frame:
    data, options = read_image(path), model.recipe.prepare
    in_pixels = isinstance(options, ImageOptions) and options.roi
    return Frame("", 0, data if in_pixels else reduced(data), *clocks())


def _windows(given: str, wanted: Wanted) -> list[Named]:
    with open_source(given) as source:
        if source.live:
            raise InputError(f"{given} has no end: record it, and give the file")
        windows = spread(Windows(source, wanted), WINDOWS)
    if not windows:
        raise InputError(f"{given} is shorter than the {wanted.samples} samples that the model looks at")
    return [(f"window {window.number} of {given}", window) for window in windows]


def spread(frames: Iterable[Frame], most: int) -> list[Frame]:
    """Every frame, or every second, fourth ..., so that they are at most so many."""
    kept: list[Frame] = []
    step = 1
    for i, frame in enumerate(frames):
        if i % step == 0:
            kept.append(frame)
        if len(kept) > most:
            kept, step = kept[::2], step * 2
    return kept
