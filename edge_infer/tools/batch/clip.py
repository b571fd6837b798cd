"""A video from which frames are asked for by their numbers."""

from edge_infer.errors import InputError
from edge_infer.sources.video import VideoSource
from edge_infer.types import Frame

# Source: FFmpeg, these demuxers read nb_frames from an index; of others OpenCV reckons duration by rate.
INDEXED = frozenset({".avi", ".m4v", ".mov", ".mp4"})
# An edit list may hide some of the frames that the index counts: so many, or this share, are not missed.
HIDDEN, HIDDEN_SHARE = 2, 0.02


class Clip:
    """Reads forward; an earlier frame costs reading from the start.

    Attributes:
        frames: how many its header promises, None if it does not say
    """

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            UnavailableError: there is no such file.
            InputError: it is no video.
        """
        self.path = path
        self._open()
        self.frames = self._source.promised

    def _open(self) -> None:
        self._source = VideoSource(self.path)
        self._ahead: tuple[Frame, float | None] | None = None  # what was read last
        self._from = 0  # that answers for the numbers from this one to its own: those before it cannot be decoded

    def frame(self, number: int) -> tuple[Frame, float | None]:
        """A frame, and its time in the video in seconds, where the file tells.

        Raises:
            EndOfStream: it has no such frame.
            InputError: the frame is there and cannot be decoded.
        """
        if number < self._from:
            self.close()
            self._open()
        if self._ahead is None or self._ahead[0].number < number:
            self._from = number  # first: the end may lie before it, and then what comes before is behind us
            self._source.skip(number - (self._ahead[0].number + 1 if self._ahead else 0))
            self._ahead = self._source.read(), self._source.position_s
        if self._ahead[0].number > number:
            raise InputError(f"frame {number} of {self.path} cannot be decoded: the file is damaged there")
        return self._ahead

    def breaks_off(self, at: int) -> str | None:
        """What is wrong with a video that ends at this frame, if its index says that there are more."""
        indexed = self.path.lower().endswith(tuple(INDEXED))
        if not indexed or self.frames is None or self.frames - at <= max(HIDDEN, HIDDEN_SHARE * self.frames):
            return None
        return f"{self.path} breaks off: {at} of its {self.frames} frames can be read, the rest is not there"

    def close(self) -> None:
        """Close the file."""
        self._source.close()
