import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from sounds import sine
from waiting import until

from edge_infer.errors import InputError, SourceError, UnavailableError, UsageError
from edge_infer.registry import open_source
from edge_infer.sources.address import kind_of
from edge_infer.sources.raw_audio import PcmSource
from edge_infer.sources.source import BaseSource, EndOfStream
from edge_infer.tools.local_broker import free_port

DATA = np.concatenate([sine(440, 0.3), -sine(330, 0.3)], axis=1)
STORED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "u8": lambda x: (np.round(x * 128) + 128).astype(np.uint8),
    "s16le": lambda x: np.round(x * 2**15).astype("<i2"),
    "s16be": lambda x: np.round(x * 2**15).astype(">i2"),
    "s24le": lambda x: np.round(x * 2**23).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3],
    "s24be": lambda x: np.round(x * 2**23).astype(">i4").view(np.uint8).reshape(-1, 4)[:, 1:],
    "s32le": lambda x: np.round(x.astype(np.float64) * 2**31).astype("<i4"),
    "s32be": lambda x: np.round(x.astype(np.float64) * 2**31).astype(">i4"),
    "f32le": lambda x: x.astype("<f4"),
    "f32be": lambda x: x.astype(">f4"),
    "f64le": lambda x: x.astype("<f8"),
}


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "sound")
    return tmp_path / "sound"


@contextmanager
def writing(fifo: Path) -> Iterator[int]:
    """A writer of a FIFO that somebody reads."""
    handle = os.open(fifo, os.O_WRONLY)
    try:
        yield handle
    finally:
        os.close(handle)


def drain(source: BaseSource, into: list[np.ndarray]) -> None:
    """Read until that is no longer possible."""
    while True:
        into.append(source.read().data)


@pytest.mark.parametrize("form", STORED)
def test_each_format_gives_the_samples(tmp_path: Path, form: str) -> None:
    (tmp_path / "x.raw").write_bytes(STORED[form](DATA).tobytes())
    with open_source(f"pcm:{tmp_path / 'x.raw'}", format=form, channels=2, rate_hz=8000) as source:
        frames = list(source)
    np.testing.assert_allclose(np.concatenate([frame.data for frame in frames]), DATA, atol=1 / 128)
    assert not source.live
    assert frames[-1].media_s == pytest.approx(len(DATA) / 8000)


def test_samples_that_are_no_number_are_silence(tmp_path: Path) -> None:
    (tmp_path / "x.raw").write_bytes(np.float32([np.nan, np.inf, 0.5]).tobytes())
    with open_source(f"pcm:{tmp_path / 'x.raw'}", format="f32le") as source:
        np.testing.assert_array_equal(source.read().data[:, 0], [0, 0, 0.5])


def test_a_fifo_is_sound_by_its_address(fifo: Path) -> None:
    assert [kind_of(str(fifo)), kind_of("-"), kind_of("pcm:tcp://host:9300")] == ["pcm", "pcm", "pcm"]


def test_samples_that_come_in_pieces_are_put_together(fifo: Path) -> None:
    stored = STORED["s16le"](DATA).tobytes()
    with open_source(str(fifo), channels=2) as source, writing(fifo) as handle:
        os.write(handle, stored[:1001])
        first = source.read()
        os.write(handle, stored[1001:1002])
        os.write(handle, stored[1002:])
        second = source.read()
    assert source.live
    assert (first.span, second.span) != (None, None)
    assert first.span is not None and second.span is not None  # noqa: PT018
    assert (first.span.samples, second.span.start) == (250, 250)
    np.testing.assert_allclose(np.concatenate([first.data, second.data]), DATA[: second.span.end], atol=1e-4)


def test_a_writer_that_ends_is_lost_and_the_next_is_heard(fifo: Path) -> None:
    with open_source(str(fifo)) as source:
        with writing(fifo) as handle:
            os.write(handle, b"\0\1" * 100)
        assert source.read().data.shape == (100, 1)
        with pytest.raises(SourceError, match="the program that wrote into it is gone"):
            source.read()
    with open_source(str(fifo)) as source, writing(fifo) as handle:
        os.write(handle, b"\0\1" * 50)
        assert source.read().data.shape == (50, 1)


@pytest.mark.parametrize("there", [True, False])
def test_a_writer_that_falls_silent_is_lost_after_a_time(fifo: Path, there: bool) -> None:
    with open_source(str(fifo), timeout_s=0.1) as source:
        handle = os.open(fifo, os.O_WRONLY) if there else None
        with pytest.raises(SourceError, match=r"gave no sound for 0\.1 s"):
            source.read()
        if handle is not None:
            os.close(handle)


def test_a_tcp_connection_is_read_to_its_end() -> None:
    port = free_port()
    with closing(socket.create_server(("127.0.0.1", port))) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"\0\1" * 500)

        thread = threading.Thread(target=serve)
        thread.start()
        with open_source(f"pcm:tcp://127.0.0.1:{port}") as source:
            heard: list[np.ndarray] = []
            with pytest.raises(SourceError, match="is gone"):
                drain(source, heard)
        thread.join()
    assert sum(map(len, heard)) == 500
    with pytest.raises(SourceError, match=f"127.0.0.1:{port} does not answer"):
        open_source(f"pcm:tcp://127.0.0.1:{port}")


def test_standard_input_ends_when_its_writer_does() -> None:
    code = (
        "from edge_infer.registry import open_source\n"
        "with open_source('-', live=False) as source: print(sum(len(frame.data) for frame in source), source.live)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"\0\1" * 4321, capture_output=True, check=True, timeout=60
    )
    assert done.stdout.split() == [b"4321", b"False"]


def test_what_is_not_there_or_no_stream_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"no FIFO or file .*: make one with mkfifo"):
        open_source(f"pcm:{tmp_path}/no")
    with pytest.raises(UsageError, match="is a folder"):
        open_source(f"pcm:{tmp_path}")
    with pytest.raises(UsageError, match=r"names no host and port: write tcp://127\.0\.0\.1:9300"):
        open_source("pcm:tcp://here")
    with pytest.raises(InputError, match=r"no source that edge_infer knows: .* a sound \(x\.wav\)"):
        kind_of("song.mp3")


def test_a_read_that_waits_can_be_interrupted(fifo: Path) -> None:
    with open_source(str(fifo), timeout_s=3600) as source:
        ended: list[type[BaseException]] = []

        def read() -> None:
            try:
                source.read()
            except EndOfStream:
                ended.append(EndOfStream)

        thread = threading.Thread(target=read)
        thread.start()
        source.interrupt()
        thread.join()
    assert ended == [EndOfStream]


def test_a_closed_source_gives_nothing(fifo: Path) -> None:
    source = PcmSource(str(fifo))
    source.close()
    source.close()
    with pytest.raises(EndOfStream):
        source.read()


def test_ffmpeg_feeds_the_sound_of_a_film_through_a_fifo(fifo: Path) -> None:
    """The line of docs/audio.md, with a generated tone in place of a camera."""
    made = "ffmpeg -loglevel error -f lavfi -i sine=f=1000:d=1:r=44100 -vn -ac 1 -ar 16000 -f s16le -y"
    feeding = [*shlex.split(made), fifo]
    try:
        program = subprocess.Popen(feeding)
    except FileNotFoundError:
        pytest.skip("ffmpeg is not installed")
    heard: list[np.ndarray] = []
    with program, open_source(str(fifo)) as source, pytest.raises(SourceError, match="is gone"):
        drain(source, heard)
    until(lambda: program.poll() == 0, what="ffmpeg's end")
    data = np.concatenate(heard)[:, 0]
    assert len(data) == 16000
    assert np.abs(np.fft.rfft(data)).argmax() == 1000
