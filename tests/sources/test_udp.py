"""A stream that nobody asks for: MPEG-TS over UDP, as ffmpeg and many encoders send it."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from edge_infer.sources.capture import StreamSource
from edge_infer.tools.local_broker import free_port


@pytest.fixture
def udp_stream() -> Iterator[str]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg: apt install ffmpeg")
    url = f"udp://127.0.0.1:{free_port()}"
    pattern = ["-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25"]
    encoder = ["-c:v", "mpeg2video", "-g", "5", "-f", "mpegts"]
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", *pattern, *encoder, url]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield url
        finally:
            process.kill()


def test_a_udp_stream_gives_frames_in_order(udp_stream: str) -> None:
    with StreamSource(udp_stream) as source:
        frames = [source.read() for _ in range(10)]
    assert {frame.data.shape for frame in frames} == {(240, 320, 3)}
    assert [frame.number for frame in frames] == sorted({frame.number for frame in frames})
    assert (frames[0].data != frames[-1].data).any(), "the picture does not move"
