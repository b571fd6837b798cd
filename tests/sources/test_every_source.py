"""What holds for every source that can be opened on this machine."""

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from footage import LEVELS

from edge_infer.errors import SourceError
from edge_infer.sources.capture import StreamSource
from edge_infer.sources.images import ImageSource
from edge_infer.sources.source import BaseSource, EndOfStream, Source
from edge_infer.sources.still import StillSource
from edge_infer.sources.video import VideoSource

OPENERS: dict[str, Callable[[pytest.FixtureRequest], BaseSource]] = {
    "video": lambda request: VideoSource(request.getfixturevalue("clip")),
    "images": lambda request: ImageSource(request.getfixturevalue("pictures")),
    "still": lambda _: StillSource(np.zeros((480, 640, 3), np.uint8), size=(320, 240), fps=100),
    "rtsp": lambda request: StreamSource(request.getfixturevalue("rtsp_server").url),
    "mjpeg": lambda request: StreamSource(request.getfixturevalue("mjpeg_server").url),
}


@pytest.fixture(params=OPENERS)
def opened(request: pytest.FixtureRequest) -> BaseSource:
    return OPENERS[request.param](request)


def test_frames_are_numbered_and_dated_bgr_pictures(opened: BaseSource) -> None:
    before, before_ns = time.time(), time.monotonic_ns()
    with opened as source:
        frames = [source.read() for _ in range(3)]
    for frame in frames:
        assert frame.source == source.name
        assert frame.data.shape == (240, 320, 3)
        assert frame.data.dtype == np.uint8
        assert before - 5.0 < frame.captured_at <= time.time()
        assert before_ns - 5e9 < frame.captured_ns <= time.monotonic_ns()
    for earlier, later in pairwise(frames):
        assert earlier.number < later.number
        assert earlier.captured_ns <= later.captured_ns
    assert frames[0].number == source.skipped["stale"]


def test_frames_do_not_share_memory(opened: BaseSource) -> None:
    with opened as source:
        first, second = source.read(), source.read()
    assert not np.shares_memory(first.data, second.data)


def test_a_source_can_be_closed_twice_and_gives_nothing_afterwards(opened: BaseSource) -> None:
    opened.read()
    opened.close()
    opened.close()
    with pytest.raises((SourceError, EndOfStream)):
        opened.read()


def test_a_source_that_was_never_read_can_be_closed(opened: BaseSource) -> None:
    opened.close()
    with pytest.raises((SourceError, EndOfStream)):
        opened.read()
    assert opened.skipped["corrupt"] == 0


def test_every_source_is_a_source(opened: BaseSource) -> None:
    def accepts(source: Source) -> bool:
        return source.live

    with opened as source:
        assert accepts(source) == isinstance(source, StreamSource | StillSource)


def test_iterating_a_file_reads_to_its_end_and_closes_nothing_early(clip: Path, pictures: Path) -> None:
    with VideoSource(clip) as video, ImageSource(pictures) as images:
        assert [frame.number for frame in video] == list(range(len(LEVELS)))
        assert [frame.number for frame in images] == [0, 1, 2]
