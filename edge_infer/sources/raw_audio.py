"""Bare samples that another program writes into a FIFO, a file, our standard input or a TCP connection."""

import os
import select
import socket
import stat
import time
from pathlib import Path
from urllib.parse import urlsplit

from edge_infer.errors import SourceError, UnavailableError, UsageError
from edge_infer.sources.audio_settings import SampleFormat
from edge_infer.sources.lateness import Lateness
from edge_infer.sources.sound import bytes_of, channel_names, samples_of
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Frame, Span

BLOCK_S = 0.1  # at most in one frame
CONNECT_S = 3.0
SLICE_S = 0.25  # how long a read waits before it looks whether it was interrupted
STDIN = "-"


class PcmSource(BaseSource):
    """Blocks of samples as they come; where the writer pauses and leaves some out, their numbers leave a gap.

    Args:
        uri: path of a FIFO or a file, "-" for standard input, tcp://host:port
        form: of a sample
        timeout_s: the writer is lost when nothing comes for longer
        live: it is sound of now; a file never is
    """

    def __init__(
        self,
        uri: str,
        *,
        name: str = "",
        form: SampleFormat = "s16le",
        rate_hz: float = 16000.0,
        channels: int = 1,
        timeout_s: float = 5.0,
        live: bool = True,
    ) -> None:
        self._socket: socket.socket | None = None
        self._fd, kind = self._opened(uri)
        super().__init__(name or ("stdin" if uri == STDIN else uri), live=live and kind != "file")
        self._uri = uri
        self._path = uri if kind == "file" else None
        self._ends = kind in ("stdin", "file")  # another writer may come to the others
        self._form: SampleFormat = form
        self._step = bytes_of(form) * channels
        self._channels = channel_names(channels)
        self._rate_hz = rate_hz
        self._timeout_s = self.patience_s = timeout_s
        self._most = max(1, round(rate_hz * BLOCK_S)) * self._step
        self._rest = b""  # of a sample that has not come in full
        self._number = self._next = 0
        self._late = Lateness(rate_hz) if self.live else None
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def read(self) -> Frame:
        """The next block.

        Raises:
            SourceError: the writer has gone, or gives nothing.
            EndOfStream: the file or standard input has ended.
        """
        while len(data := self._more()) < self._step:
            self._rest = data
        whole = len(data) - len(data) % self._step
        self._rest = data[whole:]
        samples = whole // self._step
        captured_at, captured_ns = clocks()
        if self._late:
            lost = self._late.lost(captured_ns, self._next + samples)
            self.skipped["lost"] += lost
            self._next += lost
        start, self._next = self._next, self._next + samples
        self._number += 1
        return Frame(
            self.name,
            self._number - 1,
            samples_of(data[:whole], self._form, len(self._channels)),
            captured_at,
            captured_ns,
            self._path,
            Span(start, samples, self._rate_hz, self._channels),
            self._next / self._rate_hz if self._path else None,
        )

    def close(self) -> None:
        """Let go of it; standard input stays open, it is not ours."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        self._poll.unregister(fd)
        if self._socket:
            self._socket.close()
        elif self._uri != STDIN:
            os.close(fd)

    def _more(self) -> bytes:
        """What is left of the last block, and what has come since: at least a byte."""
        if self._fd < 0:
            raise EndOfStream
        deadline = time.monotonic() + self._timeout_s
        while not self._interrupted.is_set():
            left = deadline - time.monotonic()
            if self._poll.poll(max(0.0, min(left, SLICE_S)) * 1e3):
                came = self._came()
                if came:
                    return self._rest + came
            elif left <= 0:
                raise SourceError(
                    f"{self.name} gave no sound for {self._timeout_s:g} s: see whether a program writes into it"
                )
        raise EndOfStream

    def _came(self) -> bytes:
        """What lies there to be read; nothing where it was gone again."""
        try:
            came = os.read(self._fd, self._most)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise SourceError(f"{self.name} broke off ({error.strerror}): see what writes into it") from error
        if came:
            return came
        if self._ends:
            raise EndOfStream
        raise SourceError(f"{self.name} has ended: the program that wrote into it is gone, start it again")

    def _opened(self, uri: str) -> tuple[int, str]:
        """A descriptor to read from, and what it is: stdin, tcp, file or fifo."""
        if uri == STDIN:
            return 0, "file" if stat.S_ISREG(os.fstat(0).st_mode) else "stdin"
        if uri.startswith("tcp://"):
            self._socket = _connected(uri)
            return self._socket.fileno(), "tcp"
        try:
            mode = Path(uri).stat().st_mode
            if stat.S_ISDIR(mode):
                raise UsageError(f"{uri} is a folder: give a FIFO (mkfifo), a file, - or tcp://host:port")
            flags = os.O_RDONLY | (0 if stat.S_ISREG(mode) else os.O_NONBLOCK)
            return os.open(uri, flags | os.O_CLOEXEC), "file" if stat.S_ISREG(mode) else "fifo"
        except FileNotFoundError as error:
            raise UnavailableError(f"there is no FIFO or file {uri}: make one with mkfifo {uri}") from error
        except OSError as error:
            raise UnavailableError(f"cannot read {uri}: {error.strerror}") from error


def _connected(uri: str) -> socket.socket:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise UsageError(f"{uri} names no host and port: write tcp://127.0.0.1:9300")
    try:
        connection = socket.create_connection((host, port), CONNECT_S)
    except OSError as error:
        raise SourceError(
            f"{uri} does not answer ({error.strerror or error}): start what serves the sound there, such as ffmpeg"
        ) from error
    connection.setblocking(False)
    return connection
