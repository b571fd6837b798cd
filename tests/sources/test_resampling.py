from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("soxr")

from edge_infer.sources.resampling import Resampler
from edge_infer.sources.source import BaseSource, EndOfStream
from edge_infer.sources.windows import Windows
from edge_infer.types import Frame, Span, Wanted

TONE_HZ = 400.0


class Tone(BaseSource):
    """Blocks (start, end) of samples whose value is a sine of the time they stand at."""

    def __init__(
        self, blocks: Iterable[tuple[int, int]], rate_hz: float, channels: tuple[str, ...] = ("mono",)
    ) -> None:
        super().__init__("tone", live=False)
        self._blocks = iter(blocks)
        self._rate_hz = rate_hz
        self._names = channels

    def read(self) -> Frame:
        for start, end in self._blocks:
            data = tone(np.arange(start, end) / self._rate_hz)
            data = np.repeat(data[:, None], len(self._names), axis=1)
            end_s = end / self._rate_hz
            span = Span(start, end - start, self._rate_hz, self._names)
            return Frame("tone", 0, data, 50.0 + end_s, round(end_s * 1e9), "tone.wav", span, end_s)
        raise EndOfStream

    def close(self) -> None:
        pass


def tone(seconds: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * TONE_HZ * seconds).astype(np.float32)


def blocks_of(samples: int, block: int) -> list[tuple[int, int]]:
    return [(start, min(start + block, samples)) for start in range(0, samples, block)]


def wanted(samples: int = 1600, hop: int = 1600, rate_hz: float = 16000.0, channels: int = 1) -> Wanted:
    return Wanted(samples, hop, rate_hz, channels, sound=channels == 1)


@settings(max_examples=30)
@given(
    rates=st.sampled_from(
        [(48000, 16000), (44100, 16000), (8000, 16000), (22050, 16000), (16000, 44100), (16000.5, 16000)]
    ),
    seconds=st.floats(0.1, 5.0),
    block=st.integers(1, 9000),
)
def test_no_sample_is_lost_or_moved(rates: tuple[float, float], seconds: float, block: int) -> None:
    source_hz, wanted_hz = rates
    samples = round(seconds * source_hz)
    source = Tone(blocks_of(samples, max(block, samples // 200)), source_hz)
    first = source.read()
    resample = Resampler(first, wanted(rate_hz=wanted_hz))
    made = [*resample(first), *(frame for block in source for frame in resample(block)), *resample.end()]
    at = 0
    for frame in made:
        assert frame.span is not None
        assert frame.span.start == at
        assert frame.span.rate_hz == wanted_hz
        assert frame.media_s == pytest.approx(frame.span.end / wanted_hz)
        assert frame.captured_at == pytest.approx(50.0 + frame.span.end / wanted_hz)
        at = frame.span.end
    assert abs(at - samples * wanted_hz / source_hz) <= 1
    data = np.concatenate([frame.data[:, 0] for frame in made])
    edge = round(0.02 * wanted_hz)  # the filter has nothing to look at beyond the ends
    np.testing.assert_allclose(data[edge:-edge], tone(np.arange(at) / wanted_hz)[edge:-edge], atol=1e-4)


def test_a_gap_begins_anew_at_the_right_sample() -> None:
    """Second 1 is missing: windows of 0.1 s of the rest, each where it belongs."""
    source = Tone([*blocks_of(44100, 1000), *((s + 88200, e + 88200) for s, e in blocks_of(44100, 1000))], 44100)
    windows = Windows(source, wanted())
    frames = list(windows)
    assert [frame.number for frame in frames] == [*range(10), *range(20, 30)]
    assert windows.skipped["gap"] == 10
    for frame in frames:
        assert frame.span is not None
        expected = tone(np.arange(frame.span.start, frame.span.end) / 16000)
        np.testing.assert_allclose(frame.data[400:-400, 0], expected[400:-400], atol=1e-3)


def test_sound_of_several_channels_is_mixed_before() -> None:
    source = Tone(blocks_of(48000, 4800), 48000, ("left", "right"))
    frames = list(Windows(source, wanted()))
    assert len(frames) == 10
    assert {frame.data.shape for frame in frames} == {(1600, 1)}
    assert {frame.span.channels for frame in frames if frame.span} == {("mono",)}


def test_readings_keep_their_channels_and_what_is_missing_is_as_before() -> None:
    span = Span(0, 4, 8000.0, ("x", "y"), ("g", "V"))
    data = np.float32([[1, 5], [np.nan, 5], [1, 5], [1, 5]])
    resample = Resampler(Frame("s", 0, data, 0.0, 0, span=span), wanted(channels=2))
    made = [
        frame
        for k in range(300)
        for frame in resample(Frame("s", 0, data, 0, 0, span=Span(4 * k, 4, 8000.0, *span_names(span))))
    ]
    assert {frame.span.channels for frame in made if frame.span} == {("x", "y")}
    assert {frame.span.units for frame in made if frame.span} == {("g", "V")}
    middle = np.concatenate([frame.data for frame in made])[1000:]
    np.testing.assert_allclose(middle, np.broadcast_to(np.float32([1, 5]), middle.shape), atol=1e-3)


def span_names(span: Span) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return span.channels, span.units


def test_every_window_of_a_minute_comes_once_through_the_converter() -> None:
    check_windows(60)


@pytest.mark.slow
def test_every_window_of_an_hour_comes_once_through_the_converter() -> None:
    check_windows(3600)


def check_windows(seconds: int) -> None:
    samples = seconds * 44100
    numbers, error = [], 0.0
    for frame in Windows(Tone(blocks_of(samples, 4410), 44100), wanted(15600, 7800)):
        assert frame.span is not None
        numbers.append(frame.number)
        assert frame.span.start == frame.number * 7800
        if frame.span.end < seconds * 16000 - 400 and frame.number:
            error = max(
                error, float(np.abs(frame.data[:, 0] - tone(np.arange(frame.span.start, frame.span.end) / 16000)).max())
            )
    assert numbers == list(range(-(-(seconds * 16000 - 7800) // 7800)))
    assert error < 1e-3, "the last sample of an hour stands where the first does"
