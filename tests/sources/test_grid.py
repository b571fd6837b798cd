import logging
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.errors import InputError
from edge_infer.sources.grid import SAME, Grid
from edge_infer.sources.rates import converter
from edge_infer.sources.source import BaseSource, EndOfStream
from edge_infer.sources.windows import Windows
from edge_infer.types import Frame, Span, Wanted

NAN = float("nan")


def row(place: int, time_s: float, *values: float, path: str | None = None) -> Frame:
    channels = tuple("xyz"[: len(values)])
    span = Span(place, 1, 0.0, channels, ("m",) * len(values))
    data = np.array([values], np.float32)
    return Frame("rows", place, data, 1000.0 + time_s, round(time_s * 1e9), path, span, time_s)


def wanted(rate_hz: float | None = 10.0, samples: int = 4, hop: int = 4, **more: object) -> Wanted:
    return Wanted(samples, hop, rate_hz, 1, **more)  # type: ignore[arg-type]


def gridded(
    times: Iterable[tuple[float, ...]], skipped: Counter[str] | None = None, **more: object
) -> list[tuple[int, list[list[float]]]]:
    """(start, values) of each block, for rows of a time and values."""
    grid = Grid(wanted(**more), Counter() if skipped is None else skipped)  # type: ignore[arg-type]
    rows = [row(place, *one) for place, one in enumerate(times)]
    blocks = [block for one in rows for block in grid(one)]
    return [(block.span.start, block.data.tolist()) for block in blocks if block.span]


@given(st.sampled_from([0.1, 1.0, 10.0, 50.0, 100.0, 104.0, 16000.0]), st.integers(2, 60), st.floats(0.0, 1e6))
def test_rows_that_stand_on_the_grid_are_its_samples(rate_hz: float, count: int, begin_s: float) -> None:
    values = np.random.default_rng(count).standard_normal(count).astype(np.float32)
    found = gridded(((begin_s + k / rate_hz, float(values[k])) for k in range(count)), rate_hz=rate_hz)
    assert [start for start, _ in found] == list(range(count))
    assert [block for _, block in found] == [[[pytest.approx(value)]] for value in values]


@given(st.lists(st.floats(0.001, 0.25), min_size=1, max_size=60), st.booleans())
def test_sample_k_stands_k_periods_after_the_first_row_and_none_is_left_out(steps: list[float], hold: bool) -> None:
    """Rows of the value 3 t + 1: between them it is that, too, or that of the row before."""
    times = np.concatenate([[0.0], np.cumsum(steps)])
    found = gridded([(float(t), 3 * float(t) + 1, 5.0) for t in times], hold=hold)
    samples = {start + k: value for start, block in found for k, value in enumerate(block)}
    assert list(samples) == list(range(int(np.floor(times[-1] * 10 + 1e-3)) + 1))
    for k, (value, five) in samples.items():
        at = times[times <= k / 10 + SAME / 10][-1] if hold else k / 10
        assert value == pytest.approx(3 * at + 1, abs=2e-3)
        assert five == 5.0


def test_a_block_is_dated_at_its_last_sample() -> None:
    grid = Grid(wanted(), Counter())
    [first], [later] = grid(row(0, 5.0, 1.0)), grid(row(1, 5.25, 2.0))
    assert (first.media_s, first.captured_at, first.captured_ns) == (5.0, 1005.0, 5_000_000_000)
    assert later.span == Span(1, 2, 10.0, ("x",), ("m",))
    assert later.media_s == pytest.approx(5.2)
    assert later.captured_at == pytest.approx(1005.2)
    assert later.captured_ns == pytest.approx(5.2e9)


def test_what_lies_in_a_long_hole_is_not_made_up() -> None:
    assert gridded([(0.0, 1.0), (0.3, 4.0), (0.7, 8.0), (0.75, 8.5), (1.25, 13.5)]) == [
        (0, [[1.0]]),
        (1, [[2.0], [3.0], [4.0]]),
        (7, [[8.0]]),
    ]


def test_how_long_a_hole_may_be_can_be_said() -> None:
    assert gridded([(0.0, 0.0), (0.5, 5.0)], max_hole_s=0.5)[1] == (1, [[1.0], [2.0], [3.0], [4.0], [5.0]])
    assert gridded([(0.0, 0.0), (0.2, 2.0)], max_hole_s=0.1)[1] == (2, [[2.0]])


def test_a_missing_value_is_missing_around_it() -> None:
    [_, (_, first), (_, second)] = gridded([(0.0, 1.0, 1.0), (0.15, NAN, 2.5), (0.3, 4.0, 4.0)])
    np.testing.assert_allclose(first, [[NAN, 2.0]])
    np.testing.assert_allclose(second, [[NAN, 3.0], [4.0, 4.0]])


def test_held_values_of_rows_that_carry_only_some_last_as_long_as_a_hole_may() -> None:
    found = gridded(
        [(0.0, 1.0, NAN), (0.1, NAN, 20.0), (0.2, NAN, 21.0), (0.3, NAN, 22.0), (0.4, NAN, 23.0)], hold=True
    )
    np.testing.assert_allclose(
        [value for _, block in found for value in block],
        [[1.0, NAN], [1.0, 20.0], [1.0, 21.0], [1.0, 22.0], [NAN, 23.0]],
    )


def test_a_clock_that_steps_back_begins_anew_and_is_counted() -> None:
    skipped: Counter[str] = Counter()
    found = gridded([(7.0, 1.0), (7.1, 2.0), (3.0, 3.0), (3.1, 4.0)], skipped)
    assert [start for start, _ in found] == [0, 1, 0, 1]
    assert skipped == {"clock": 1}


def test_a_second_row_of_the_same_time_is_counted() -> None:
    skipped: Counter[str] = Counter()
    assert gridded([(7.0, 1.0), (7.0, 2.0), (7.1, 3.0)], skipped) == [(0, [[1.0]]), (1, [[3.0]])]
    assert skipped == {"repeated": 1}


def test_another_recording_begins_a_grid_of_its_own() -> None:
    skipped: Counter[str] = Counter()
    grid = Grid(wanted(), skipped)
    blocks = [*grid(row(0, 1.0, 1.0)), *grid(row(1, 1.1, 2.0)), *grid(row(0, 1.25, 3.0)), *grid(row(1, 1.35, 4.0))]
    assert [block.span.start for block in blocks if block.span] == [0, 1, 0, 1]
    assert [float(block.data[-1, 0]) for block in blocks] == [1.0, 2.0, 3.0, 4.0]
    assert not skipped


def test_a_sensor_that_is_too_slow_for_the_model_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        gridded([(float(k), 1.0) for k in range(30)])
    assert caplog.text.count("rows come every 1 s and the model takes one every 0.1 s") == 1


def test_a_table_without_times_is_refused_where_the_model_has_a_rate() -> None:
    untimed = Frame("t", 0, np.zeros((1, 1), np.float32), 0.0, 0, "x.csv", Span(0, 1, 0.0, ("x",)))
    with pytest.raises(InputError, match=r"x\.csv does not say when its rows were taken.* say its rate_hz"):
        converter(untimed, wanted(), Counter())
    assert list(converter(untimed, wanted(None), Counter())(untimed)) == [untimed]


class Rows(BaseSource):
    def __init__(self, rows: Iterable[Frame]) -> None:
        super().__init__("rows", live=False)
        self._left = iter(rows)

    def read(self) -> Frame:
        for one in self._left:
            return one
        raise EndOfStream

    def close(self) -> None:
        pass


def windows(times: Iterable[tuple[float, ...]], **more: object) -> tuple[list[Frame], Counter[str]]:
    source = Windows(Rows(row(place, *one) for place, one in enumerate(times)), wanted(**more))  # type: ignore[arg-type]
    return list(source), source.skipped


def test_a_hole_shorter_than_a_window_is_filled_in_and_said() -> None:
    times = [k / 10 for k in range(20) if k not in (5, 6, 7)]
    found, skipped = windows([(t, 10 * t) for t in times], samples=10, hop=10, max_missing=0.3)
    assert [(frame.number, frame.span.missing) for frame in found if frame.span] == [(0, 3), (1, 0)]
    np.testing.assert_allclose(found[0].data[:, 0], range(10), atol=1e-5)
    assert not skipped


def test_a_window_of_which_too_much_is_missing_is_left_out() -> None:
    times = [k / 10 for k in range(30) if k not in (5, 6, 7)]
    found, skipped = windows([(t, 10 * t) for t in times], samples=10, hop=5, max_missing=0.2)
    assert [frame.number for frame in found] == [2, 3, 4]
    assert skipped == {"missing": 2}


def test_a_hole_longer_than_a_window_leaves_out_those_that_it_touches() -> None:
    times = [k / 10 for k in range(40) if not 5 <= k < 25]
    found, skipped = windows([(t, 1.0) for t in times], samples=10, hop=10, max_missing=0.5)
    assert [frame.number for frame in found] == [3]
    assert skipped == {"gap": 3}


def test_only_the_channels_that_the_model_takes_count_and_are_filled_in() -> None:
    rows = [(k / 10, float(k), NAN, NAN if k == 2 else 1.0) for k in range(4)]
    [only], skipped = windows(rows, names=("z", "x"), max_missing=0.2)
    assert only.span is not None
    assert only.span.missing == 1
    assert only.data[:, 2].tolist() == [1.0] * 4
    assert np.isnan(only.data[:, 1]).all()
    assert not skipped


def test_a_channel_that_never_came_leaves_out_the_window() -> None:
    found, skipped = windows([(k / 10, float(k), NAN) for k in range(4)], max_missing=1.0)
    assert not found
    assert skipped == {"missing": 1}


@pytest.mark.parametrize(("hold", "filled"), [(False, [1, 1, 2, 3, 4, 4]), (True, [1, 1, 1, 1, 4, 4])])
def test_values_before_the_first_and_after_the_last_are_theirs(hold: bool, filled: list[float]) -> None:
    values = [NAN, 1.0, NAN, NAN, 4.0, NAN]
    rows = [(k / 10, value) for k, value in enumerate(values)]
    found, _ = windows(rows, rate_hz=None, samples=6, hop=6, max_missing=0.9, hold=hold)
    assert found[0].data[:, 0].tolist() == filled


def test_recordings_never_share_a_window() -> None:
    rows = [row(k % 5, k / 10, float(k)) for k in range(15)]
    source = Windows(Rows(rows), wanted(None, 4, 2))
    found = list(source)
    assert [frame.data[:, 0].tolist() for frame in found] == [[0, 1, 2, 3], [5, 6, 7, 8], [10, 11, 12, 13]]
    assert [frame.span.start for frame in found if frame.span] == [0, 0, 0]
    assert [frame.number for frame in found] == [0, 2, 4]  # each gap tells a model that remembers
    assert source.skipped == {"tail": 3}
