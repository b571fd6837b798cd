"""A source is recorded: for how long, and what happens when it is lost."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scripted import ScriptedSource, Step, frame

from edge_infer.errors import InputError, SourceError, UsageError
from edge_infer.sources.source import clocks
from edge_infer.tools.fit_anomaly import recording as rec
from edge_infer.tools.fit_anomaly.recording import Recorder
from edge_infer.tools.fit_anomaly.views import Look, PictureView, SampleView
from edge_infer.types import Array, Frame, Span

PICTURES = Look().view_of


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rec, "AGAIN_S", 0.0)


def opening(*scripts: list[Step], live: bool = True) -> Callable[[], ScriptedSource]:
    """Opens one after the other."""
    left = iter(scripts)
    return lambda: ScriptedSource(next(left), live=live)


def block(start: int, samples: int = 32, media_s: float | None = None) -> Frame:
    data = np.arange(start, start + samples, dtype=np.float32)[:, None] % 7
    return Frame("scripted", 0, data, *clocks(), span=Span(start, samples, 64.0, ("x",)), media_s=media_s)


def test_a_source_is_read_to_its_end() -> None:
    view, found = Recorder(opening([0, 1, 2]), None).record(PICTURES)
    assert isinstance(view, PictureView)
    assert (len(found), found.table.shape, found.stopped) == (3, (3, 256), False)


def test_the_recording_ends_in_time_by_the_clock_of_the_file() -> None:
    script: list[Step] = [block(32 * k, media_s=0.5 * (k + 1)) for k in range(100)]
    told: list[float] = []
    _, found = Recorder(opening(script, live=False), 20.0, told.append).record(PICTURES)
    assert len(found) in (20, 21)  # of 1 s; the file has 50 s
    assert found.seconds == pytest.approx(1.0)
    assert max(told) == pytest.approx(20.0, abs=1.0)


def test_samples_that_are_lost_leave_out_windows_and_are_counted() -> None:
    script: list[Step] = [block(32 * k) for k in (0, 1, 2, 3, 11, 12, 13, 14, 15)]
    view, found = Recorder(opening(script), None).record(PICTURES)
    assert isinstance(view, SampleView)
    assert view.wanted is not None
    assert view.wanted.samples == 64
    assert (len(found), found.skipped["gap"]) == (4, 4)


def test_a_source_that_comes_back_is_recorded_on_and_the_loss_counted() -> None:
    lost = SourceError("unplugged")
    _, found = Recorder(opening([0, 1, lost], [lost], [0, 1, 2]), None).record(PICTURES)
    assert (len(found), found.skipped["lost"]) == (5, 2)


def test_a_source_that_stays_away_is_an_error_that_says_what_there_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rec, "PATIENCE_S", -1.0)
    with pytest.raises(SourceError, match="unplugged; 2 frames or windows were recorded before"):
        Recorder(opening([0, 1, SourceError("unplugged")]), None).record(PICTURES)


def test_a_source_that_was_never_there_is_not_waited_for() -> None:
    with pytest.raises(SourceError, match="no camera"):
        Recorder(opening([SourceError("no camera")]), None).record(PICTURES)


def test_stopping_keeps_what_there_is() -> None:
    recorder = Recorder(lambda: ScriptedSource([0, 1, recorder.stop, 2, 3], live=True), None)
    _, found = recorder.record(PICTURES)
    assert found.stopped
    assert 2 <= len(found) <= 3


def test_a_frame_of_which_nothing_can_be_said_is_counted_and_left_out() -> None:
    roi = Look(roi=(0, 0, 6, 4))
    small = replace(frame(1), data=np.zeros((2, 2, 3), np.uint8))
    _, found = Recorder(opening([0, small, 2]), None).record(roi.view_of)
    assert (len(found), found.skipped["refused"]) == (2, 1)
    with pytest.raises(InputError, match="roi"):
        Recorder(opening([small, 0]), None).record(roi.view_of)


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(InputError, match="gave nothing"):
        Recorder(opening([]), None).record(PICTURES)


def test_examples_are_spread_over_the_recording() -> None:
    _, found = Recorder(opening(list(range(1000))), None).record(PICTURES)
    numbers = [kept.number for kept in found.kept]
    assert 4 <= len(numbers) <= 8
    assert numbers[0] == 0
    assert numbers[-1] >= 700


@pytest.mark.parametrize(
    ("look", "error", "said"),
    [
        (Look(channels=("y",)), InputError, "no channel y; there are x"),
        (Look(window=63), UsageError, "give at least 64"),
    ],
)
def test_what_cannot_be_looked_at_is_said(look: Look, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        Recorder(opening([block(0)]), None).record(look.view_of)


def test_pictures_that_are_all_alike_are_not_learned_from() -> None:
    view, found = Recorder(opening([frame(k) for k in range(120)]), None).record(PICTURES)
    with pytest.raises(InputError, match="camera is not frozen"):
        view.features(found.table, 60)


def test_levels_are_learned_of_readings_and_not_of_sound() -> None:
    rng = np.random.default_rng(0)

    def windows(sound: bool) -> Array:
        view = SampleView(Span(0, 64, 64.0, ("x", "y")), Look(sound=sound))
        data = [rng.standard_normal((64, 2)).astype(np.float32) for _ in range(100)]
        rows = [view(Frame("s", 0, each, *clocks(), span=Span(0, 64, 64.0, ("x", "y")))) for each in data]
        return view.features(np.stack(rows), 50).values

    assert windows(sound=True).shape == (100, 4)  # mixed into one
    assert windows(sound=False).shape == (100, 10)
