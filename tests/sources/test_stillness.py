from collections.abc import Callable

import numpy as np
import pytest

from edge_infer.errors import SourceError
from edge_infer.sources import stillness as module
from edge_infer.sources.stillness import Stillness
from edge_infer.types import Frame, Span

Look = Callable[[float, int], bool]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Look:
    """Shows a picture of this brightness at this time, to one that allows 10 seconds; True: it is refused."""
    stillness = Stillness("door", 10.0)

    def look(now: float, brightness: int) -> bool:
        monkeypatch.setattr(module.time, "monotonic", lambda: now)
        return stillness.refuses(Frame("door", 0, np.full((48, 64, 3), brightness, np.uint8), 0.0, 0))

    return look


def test_a_picture_may_stay_as_it_is_for_some_time(look: Look) -> None:
    assert not look(100.0, 7)
    assert not look(110.0, 7)


def test_a_picture_that_stays_for_longer_is_a_frozen_camera(look: Look) -> None:
    look(100.0, 7)
    with pytest.raises(
        SourceError, match="the camera of door is frozen: its picture has not changed by a bit for 10 s"
    ):
        look(110.1, 7)


def test_the_picture_is_refused_until_it_changes_though_the_camera_was_opened_anew(look: Look) -> None:
    look(100.0, 7)
    with pytest.raises(SourceError):
        look(111.0, 7)
    assert look(112.0, 7)
    assert look(120.0, 7)
    with pytest.raises(SourceError):
        look(121.1, 7)  # opening it anew has not helped: once more
    assert look(122.0, 7)
    assert not look(123.0, 8)
    assert not look(124.0, 8)


def test_one_bit_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    stillness = Stillness("door", 10.0)
    picture = np.zeros((48, 64, 3), np.uint8)
    for now in range(100, 200, 5):
        monkeypatch.setattr(module.time, "monotonic", lambda now=now: float(now))
        picture[16, 16, 1] ^= 1
        assert not stillness.refuses(Frame("door", now, picture, 0.0, 0))


def test_another_size_is_a_change(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    stillness = Stillness("door", 1.0)
    for now, side in ((100.0, 16), (102.0, 32)):
        monkeypatch.setattr(module.time, "monotonic", lambda now=now: now)
        assert not stillness.refuses(Frame("door", 0, np.zeros((side, side, 3), np.uint8), 0.0, 0))


def test_a_sensor_that_stays_at_one_reading_is_frozen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stillness = Stillness("pump", 10.0)
    for now, value in ((100.0, 1.0), (105.0, 2.0)):
        monkeypatch.setattr(module.time, "monotonic", lambda now=now: now)
        frame = Frame("pump", 0, np.full((1, 3), value, np.float32), 0.0, 0, span=Span(0, 1, 1.0, ("x", "y", "z")))
        assert not stillness.refuses(frame)
    monkeypatch.setattr(module.time, "monotonic", lambda: 115.1)
    with pytest.raises(SourceError, match="the sensor of pump is frozen: what it gives has not changed by a bit"):
        stillness.refuses(frame)
