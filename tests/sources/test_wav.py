import logging
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sounds import sine, wav_bytes

from edge_infer.errors import InputError, UnavailableError
from edge_infer.registry import open_source
from edge_infer.sources.source import EndOfStream
from edge_infer.sources.wav import WavSource
from edge_infer.sources.windows import Windows
from edge_infer.types import Wanted

TWO = np.concatenate([sine(440, 0.5), -sine(330, 0.5)], axis=1)


def whole(path: Path) -> np.ndarray:
    with WavSource(path) as source:
        return np.concatenate([frame.data for frame in source])


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(
    ("bits", "real", "step"),
    [(8, False, 1 / 128), (16, False, 2**-15), (24, False, 2**-23), (32, False, 2**-24), (32, True, 0), (64, True, 0)],
)
def test_samples_are_read_as_they_were_stored(
    tmp_path: Path, bits: int, real: bool, step: float, extensible: bool
) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wav_bytes(TWO, 48000, bits, real=real, extensible=extensible))
    with WavSource(path) as source:
        frames = list(source)
    np.testing.assert_allclose(np.concatenate([frame.data for frame in frames]), TWO, atol=step / 2 + 1e-9)
    spans = [frame.span for frame in frames]
    assert [span.start for span in spans if span] == [0, 4800]
    assert {(span.rate_hz, span.channels) for span in spans if span} == {(48000.0, ("left", "right"))}
    assert [frame.media_s for frame in frames] == pytest.approx([0.1, 8000 / 48000])
    assert [frame.number for frame in frames] == [0, 1]
    assert frames[0].data.dtype == np.float32


@given(channels=st.integers(1, 8), samples=st.integers(1, 3000), rate_hz=st.sampled_from([8000, 11025, 44100]))
def test_any_channels_rate_and_length(
    tmp_path_factory: pytest.TempPathFactory, channels: int, samples: int, rate_hz: int
) -> None:
    data = np.random.default_rng(samples).uniform(-1, 1, (samples, channels)).astype(np.float32)
    path = tmp_path_factory.getbasetemp() / f"any-{channels}.wav"
    path.write_bytes(wav_bytes(data, rate_hz, 32, real=True))
    np.testing.assert_array_equal(whole(path), data)


def test_chunks_that_are_not_known_are_passed_over_odd_ones_too(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(wav_bytes(TWO, before=b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"bext\0\0\0\0"))
    assert len(whole(tmp_path / "x.wav")) == len(TWO)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_file_that_was_piped_does_not_know_its_length(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, length: int
) -> None:
    (tmp_path / "x.wav").write_bytes(wav_bytes(TWO, length=length))
    assert len(whole(tmp_path / "x.wav")) == len(TWO)
    assert not caplog.records


def test_more_than_4_gb_are_counted_in_a_chunk_of_their_own(tmp_path: Path) -> None:
    body = wav_bytes(TWO, length=0xFFFFFFFF)
    size = len(TWO) * 4
    long = b"ds64" + struct.pack("<IQQQI", 28, len(body), size, len(TWO), 0)
    (tmp_path / "x.wav").write_bytes(b"RF64\xff\xff\xff\xffWAVE" + long + body[12:] + b"LIST\4\0\0\0junk")
    assert len(whole(tmp_path / "x.wav")) == len(TWO)


def test_what_was_cut_off_is_read_as_far_as_it_goes_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "x.wav").write_bytes(wav_bytes(TWO)[:-1001])
    with caplog.at_level(logging.WARNING):
        assert len(whole(tmp_path / "x.wav")) == len(TWO) - 251
    assert f"ends after sample {len(TWO) - 251} of {len(TWO)}" in caplog.text


HEAD = wav_bytes(TWO)[:36]
BROKEN = {
    "empty": (b"", "does not begin with RIFF"),
    "a FLAC": (b"fLaC" + bytes(40), "it is FLAC; convert it, ffmpeg -i IN"),
    "a header only": (HEAD, "holds no samples"),
    "no samples": (HEAD + b"data\0\0\0\0", "holds no samples: it is empty"),
    "less than one sample": (HEAD + b"data\4\0\0\0abc", "holds no samples"),
    "samples first": (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "come before its chunk 'fmt '"),
    "a short fmt": (b"RIFF\0\0\0\0WAVEfmt \4\0\0\0abcddata\4\0\0\0abcd", "has 4 bytes of 16"),
    "no channels": (HEAD[:22] + b"\0\0" + HEAD[24:] + b"data\4\0\0\0abcd", "0 channels of 16000"),
    "no rate": (HEAD[:24] + b"\0\0\0\0" + HEAD[28:] + b"data\4\0\0\0abcd", "of 0 samples a second"),
    "mu-law": (HEAD[:20] + b"\7\0" + HEAD[22:] + b"data\4\0\0\0abcd", "holds mu-law, which is not read here"),
    "40 bits": (HEAD[:32] + b"\n\0\x28\0" + b"data\4\0\0\0abcd", "holds 40-bit PCM"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_or_other_file_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        WavSource(tmp_path / "x.wav")
    assert "x.wav" in str(caught.value)


@given(st.binary(max_size=80), st.integers(0, 80))
def test_no_bytes_make_anything_but_samples_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int
) -> None:
    content = bytearray(wav_bytes(TWO[:50]))
    content[at : at + len(junk)] = junk
    path = tmp_path_factory.getbasetemp() / "junk.wav"
    path.write_bytes(bytes(content))
    try:
        data = whole(path)
    except InputError:
        return
    assert np.isfinite(data).all()


def test_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"cannot open the sound .*No such file"):
        open_source(tmp_path / "no.wav")


def test_a_loop_counts_on(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(wav_bytes(TWO[:2000]))
    with open_source(tmp_path / "x.wav", loop=True) as source:
        frames = [source.read() for _ in range(5)]
    assert [frame.span.start for frame in frames if frame.span] == [0, 1600, 2000, 3600, 4000]
    np.testing.assert_array_equal(frames[0].data, frames[2].data)
    assert frames[4].media_s == pytest.approx(5600 / 16000)


def test_at_its_own_pace_a_block_comes_when_its_last_sample_is_due(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(wav_bytes(TWO))
    before_ns = time.monotonic_ns()
    with open_source(tmp_path / "x.wav", pace="realtime") as source:
        frames = list(source)
    for frame in frames:
        assert frame.captured_ns >= before_ns + frame.media_s * 1e9 - 1e3


def test_a_closed_file_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(wav_bytes(TWO))
    source = WavSource(tmp_path / "x.wav")
    source.close()
    source.close()
    with pytest.raises(EndOfStream):
        source.read()


def test_every_window_of_a_minute_comes_once(tmp_path: Path) -> None:
    data = (np.arange(60 * 16000) % 30011).astype(np.float32)[:, None] / 32768
    (tmp_path / "x.wav").write_bytes(wav_bytes(data))
    wanted = Wanted(15600, 7800, 16000.0, 1, sound=True)
    starts = []
    with WavSource(tmp_path / "x.wav") as source:
        frames = list(Windows(source, wanted))
    for frame in frames:
        assert frame.span is not None
        starts.append(frame.span.start)
        there = min(15600, len(data) - frame.span.start)
        np.testing.assert_array_equal(frame.data[:there], data[frame.span.start : frame.span.start + there])
        assert not frame.data[there:].any()
    assert starts == list(range(0, len(data) - 7800, 7800))
