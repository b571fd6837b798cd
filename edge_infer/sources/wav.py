"""The samples of a WAV file."""

import logging
import time
from pathlib import Path
from typing import Literal

from edge_infer.errors import InputError, UnavailableError
from edge_infer.sources.pace import sleep_until
from edge_infer.sources.sound import channel_names, samples_of
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.sources.wav_header import WavHeader, read_header
from edge_infer.types import Frame, Span

log = logging.getLogger(__name__)

BLOCK_S = 0.1  # of one frame: little enough for windows of 30 ms to come in time at the file's own pace


class WavSource(BaseSource):
    """Blocks of a file's samples, in order; none is dropped.

    Args:
        loop: start again at the end; the samples are counted on
        pace: "fast" as the reader asks; "realtime" not before the last sample of a block is due
    """

    def __init__(
        self, path: str | Path, *, name: str = "", loop: bool = False, pace: Literal["fast", "realtime"] = "fast"
    ) -> None:
        super().__init__(name or Path(path).name, live=False)
        self._path = Path(path)
        self._loop = loop
        self._realtime = pace == "realtime"
        try:
            self._file = self._path.open("rb")
        except OSError as error:
            raise UnavailableError(f"cannot open the sound {path}: {error.strerror}") from error
        try:
            self.header = self._checked()
        except OSError as error:
            self._file.close()
            raise InputError(f"{path} cannot be read: {error}") from error
        except InputError:
            self._file.close()
            raise
        self._channels = channel_names(self.header.channels)
        self._block = max(1, round(self.header.rate_hz * BLOCK_S))
        self._number = 0
        self._given = 0  # samples, through all rounds
        self._left = self.header.samples
        self._started = time.monotonic()

    def read(self) -> Frame:
        """The next block.

        Raises:
            EndOfStream: that was the last, or the source is closed.
        """
        if self._file.closed:
            raise EndOfStream
        if not self._left:
            if not self._loop:
                raise EndOfStream
            self._file.seek(self.header.start)
            self._left = self.header.samples
        header, wanted = self.header, min(self._block, self._left)
        data = self._file.read(wanted * header.step)
        samples = len(data) // header.step
        if not samples:  # it became shorter while it was read
            self._left, self._loop = 0, False
            raise EndOfStream
        self._left -= samples
        start, self._given = self._given, self._given + samples
        end_s = self._given / header.rate_hz
        if self._realtime:
            sleep_until(self._started + end_s)
        captured_at, captured_ns = clocks()
        self._number += 1
        return Frame(
            self.name,
            self._number - 1,
            samples_of(data[: samples * header.step], header.form, header.channels),
            captured_at,
            captured_ns,
            str(self._path),
            Span(start, samples, float(header.rate_hz), self._channels),
            end_s,
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _checked(self) -> WavHeader:
        header = read_header(self._file, self._path)
        if header.samples == 0:
            raise InputError(f"{self._path} holds no samples: it is empty, or was cut off")
        if header.promised is not None and header.samples < header.promised:
            log.warning(
                "%s ends after sample %d of %d: it was cut off, or is damaged",
                self._path, header.samples, header.promised,
            )  # fmt: skip
        self._file.seek(header.start)
        return header
