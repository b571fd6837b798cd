from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.errors import InputError
from edge_infer.sources.source import BaseSource, EndOfStream
from edge_infer.sources.windows import Windows
from edge_infer.types import Frame, Span, Wanted

RATE = 10.0


class Ramp(BaseSource):
    """Blocks of a stream whose sample i is the number i; taken at i / RATE seconds."""

    def __init__(self, blocks: Iterable[tuple[int, int]], rate_hz: float = RATE) -> None:
        super().__init__("ramp", live=False)
        self.closed = False
        self._blocks = iter(blocks)
        self._rate_hz = rate_hz

    def read(self) -> Frame:
        for start, end in self._blocks:
            data = np.stack([np.arange(start, end), -np.arange(start, end)], axis=1).astype(np.float32)
            span = Span(start, end - start, self._rate_hz, ("up", "down"), ("m", ""))
            end_s = end / RATE
            return Frame("ramp", 0, data, 100.0 + end_s, round(end_s * 1e9), "ramp.wav", span, end_s)
        raise EndOfStream

    def close(self) -> None:
        self.closed = True


def windows(blocks: Iterable[tuple[int, int]], samples: int, hop: int, **more: bool) -> Windows:
    return Windows(Ramp(blocks), Wanted(samples, hop, RATE, 2, **more))


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Blocks in order, with holes between some of them."""
    at, blocks = 0, []
    for length, hole in draw(
        st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0, 0, 0, 1, 7, 40])), max_size=12)
    ):
        blocks.append((at + hole, at + hole + length))
        at += hole + length
    return blocks


@given(streams(), st.integers(1, 20), st.integers(1, 20))
def test_each_window_of_the_grid_that_is_whole_comes_once(
    blocks: list[tuple[int, int]], samples: int, hop: int
) -> None:
    hop = min(hop, samples)
    held = {i for start, end in blocks for i in range(start, end)}
    last = max(held, default=0)
    whole = [k for k in range(last // hop + 1) if held.issuperset(range(k * hop, k * hop + samples))]
    source = windows(blocks, samples, hop)
    found = list(source)
    assert [frame.number for frame in found] == whole
    for frame in found:
        assert frame.span is not None
        assert frame.span.start == frame.number * hop
        np.testing.assert_array_equal(frame.data[:, 0], np.arange(frame.span.start, frame.span.end))
    if whole:  # what is not there before the last is counted
        first = blocks[0][0]
        before = sum(1 for k in range(whole[-1]) if k * hop >= first and k not in whole)
        assert source.skipped["gap"] >= before


def test_a_window_says_when_its_last_sample_was_taken_and_what_it_holds() -> None:
    first, second = windows([(0, 7), (7, 12)], 6, 4)
    assert (first.media_s, second.media_s) == pytest.approx((0.6, 1.0))
    assert (first.captured_at, second.captured_at) == pytest.approx((100.6, 101.0))
    assert (first.captured_ns, second.captured_ns) == (600_000_000, 1_000_000_000)
    assert second.span == Span(4, 6, RATE, ("up", "down"), ("m", ""))
    assert second.span.start_s == pytest.approx(0.4)
    assert second.span.length_s == pytest.approx(0.6)
    assert second.path == "ramp.wav"
    assert second.size == (0, 0)


def test_the_last_window_of_sound_is_filled_with_silence() -> None:
    found = list(windows([(0, 9)], 4, 4, sound=True))
    assert [frame.number for frame in found] == [0, 1, 2]
    assert found[-1].data[:, 0].tolist() == [8.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(("samples", "hop"), [(4, 4), (4, 2)])
def test_samples_that_the_last_window_has_shown_make_no_other(samples: int, hop: int) -> None:
    assert [frame.number for frame in windows([(0, 8)], samples, hop, sound=True)] == list(
        range(8 // hop - samples // hop + 1)
    )


def test_readings_that_fill_no_window_are_counted() -> None:
    source = windows([(0, 9)], 4, 4)
    assert [frame.number for frame in source] == [0, 1]
    assert source.skipped == {"tail": 1}


def test_sound_shorter_than_a_window_makes_one() -> None:
    [only] = windows([(0, 2)], 4, 4, sound=True)
    assert only.data[:, 0].tolist() == [0.0, 1.0, 0.0, 0.0]


def test_what_is_lost_leaves_out_the_windows_that_would_hold_it() -> None:
    source = windows([(0, 10), (21, 30)], 4, 2)
    assert [frame.number for frame in source] == [0, 1, 2, 3, 11, 12, 13]
    assert source.skipped["gap"] == 7


def test_missing_values_are_counted() -> None:
    class Holes(Ramp):
        def read(self) -> Frame:
            frame = super().read()
            frame.data[1, 0] = np.nan
            return frame

    [only] = Windows(Holes([(0, 4)]), Wanted(4, 4, RATE, 2, max_missing=0.2))
    assert only.span is not None
    assert only.span.missing == 1
    assert only.data[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_windows_of_pictures_are_refused() -> None:
    class Pictures(Ramp):
        def read(self) -> Frame:
            return Frame("door", 0, np.zeros((4, 4, 3), np.uint8), 0.0, 0)

    with pytest.raises(InputError, match="door gives pictures"):
        Windows(Pictures([]), Wanted(4, 4, RATE, 2)).read()


def test_closing_closes_the_source() -> None:
    source = Ramp([(0, 100)])
    with Windows(source, Wanted(4, 4, RATE, 2)) as found:
        found.read()
    assert source.closed
    with pytest.raises(EndOfStream):
        found.read()
