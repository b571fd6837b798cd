from pathlib import Path

import cv2
import numpy as np
import pytest
from scripted import frame

from edge_infer.sources.images import ImageSource
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.sources.still import StillSource
from edge_infer.sources.video import VideoSource
from edge_infer.testing import check_source
from edge_infer.types import Frame, Span


def picture(level: int) -> np.ndarray:
    return np.full((48, 64, 3), level, np.uint8)


def test_a_video_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (64, 48))
    for level in range(10, 60, 10):
        writer.write(picture(level))
    writer.release()
    check_source(lambda: VideoSource(path))


def test_a_folder_of_pictures_is_a_source(tmp_path: Path) -> None:
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
    (tmp_path / "1.png").write_text("damaged")
    check_source(lambda: ImageSource(tmp_path))


def test_a_still_picture_is_a_source() -> None:
    check_source(lambda: StillSource(picture(9), size=(32, 24), fps=200))


class Bad(BaseSource):
    """A source with one fault, or none."""

    def __init__(self, fault: str) -> None:
        super().__init__("bad", live=False)
        self._fault = fault
        self._number = -1
        self._data = picture(0)
        self._closed = False

    def read(self) -> Frame:
        if self._closed and self._fault != "gives frames after it was closed":
            raise EndOfStream
        self._number += {"does not count": 0, "leaves out frames": 2, "leaves out frames and says so": 2}.get(
            self._fault, 1
        )
        self.skipped["rate"] += self._fault == "leaves out frames and says so"
        good = frame(self._number)
        return Frame(
            "someone" if self._fault == "has another name" else self.name,
            self._number,
            self._shown(),
            good.captured_at,
            good.captured_ns + {"lives in the future": 10**12, "lives in the past": -(10**12)}.get(self._fault, 0),
        )

    def _shown(self) -> np.ndarray:
        if self._fault == "is grey":
            return self._data[..., 0]
        return self._data if self._fault == "uses its memory again" else self._data.copy()

    def close(self) -> None:
        if self._closed and self._fault == "cannot be closed twice":
            raise AssertionError("closed twice")
        self._closed = True


FAULTS = [
    "does not count",
    "leaves out frames",
    "has another name",
    "lives in the future",
    "lives in the past",
    "is grey",
    "uses its memory again",
    "cannot be closed twice",
    "gives frames after it was closed",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_finds_a_source_that(fault: str) -> None:
    with pytest.raises(AssertionError):
        check_source(lambda: Bad(fault))


def test_the_check_finds_nothing_in_a_good_one() -> None:
    check_source(lambda: Bad("nothing"))
    check_source(lambda: Bad("leaves out frames and says so"))


class BadSound(BaseSource):
    """Blocks of two channels with one fault, or none."""

    def __init__(self, fault: str) -> None:
        super().__init__("sound", live=False)
        self._fault = fault
        self._number = -1

    def read(self) -> Frame:
        self._number += 1
        number, fault = self._number, self._fault
        step = {"overlaps": 3, "leaves out samples": 9, "begins anew": -4}.get(fault, 4)
        rate_hz = {"changes its rate": 8.0 + number, "gives blocks of rows without a rate": 0.0}.get(fault, 8.0)
        channels = ("x",) if fault == "says too few channels" else ("x", "x" if fault == "repeats a name" else "y")
        span = Span(20 + step * number, 5 if fault == "says too many samples" else 4, rate_hz, channels, self._units())
        data = np.zeros((4, 2), np.float64 if fault == "gives doubles" else np.float32)
        media_s = {"forgets its time": None if number else 0.5, "goes back in time": -1.0 * number}.get(
            fault, number / 2
        )
        if fault == "turns into a camera" and number:
            return Frame(self.name, number, picture(1), *clocks(), media_s=media_s)
        return Frame(self.name, number, data, *clocks(), span=span, media_s=media_s)

    def _units(self) -> tuple[str, ...]:
        return {"has a unit too few": ("V",), "changes its units": ("V", "A") if self._number else ()}.get(
            self._fault, ()
        )

    def close(self) -> None:
        self.read = self._ended  # type: ignore[method-assign]

    def _ended(self) -> Frame:
        raise EndOfStream


@pytest.mark.parametrize(
    "fault",
    [
        "overlaps",
        "changes its rate",
        "gives blocks of rows without a rate",
        "says too few channels",
        "repeats a name",
        "says too many samples",
        "gives doubles",
        "forgets its time",
        "goes back in time",
        "turns into a camera",
        "has a unit too few",
        "changes its units",
    ],
)
def test_the_check_finds_a_source_of_samples_that(fault: str) -> None:
    with pytest.raises(AssertionError):
        check_source(lambda: BadSound(fault))


@pytest.mark.parametrize("fault", ["nothing", "leaves out samples", "begins anew"])
def test_the_check_finds_nothing_in_a_good_source_of_samples(fault: str) -> None:
    check_source(lambda: BadSound(fault))
