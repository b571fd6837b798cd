import time

import cv2
import numpy as np
import pytest
from scripted import ScriptedModel, frame

from edge_infer import snapshots
from edge_infer.errors import UnavailableError
from edge_infer.snapshots import Snapshots

FRAME = frame(0)
RESULT = ScriptedModel().predict(FRAME)


def test_a_picture_is_published_at_most_once_in_a_period() -> None:
    published: list[bytes] = []
    show = Snapshots(published.append, 3600.0)
    for _ in range(3):
        show(FRAME, RESULT)
    assert len(published) == 1
    assert cv2.imdecode(np.frombuffer(published[0], np.uint8), cv2.IMREAD_COLOR).shape == FRAME.data.shape


def test_without_a_period_only_what_was_asked_for_is_published_and_all_that_asked_get_it() -> None:
    published: list[bytes] = []
    show = Snapshots(published.append, None)
    show(FRAME, RESULT)
    asked = [show.ask(), show.ask()]
    show(FRAME, RESULT)
    show(FRAME, RESULT)
    assert len(published) == 1
    assert [one.result(0) for one in asked] == [{"bytes": len(published[0])}] * 2


def test_who_asks_does_not_wait_for_the_period() -> None:
    published: list[bytes] = []
    show = Snapshots(published.append, 3600.0)
    show(FRAME, RESULT)
    asked = show.ask()
    show(FRAME, RESULT)
    assert asked.done()
    assert len(published) == 2


def test_who_waits_too_long_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    show = Snapshots(lambda _: None, None)
    patient = show.ask()
    monkeypatch.setattr(snapshots, "WAIT_S", 0.0)
    asked = show.ask()
    assert time.monotonic() > 0
    show.refuse("no frame for 5 s")
    assert not patient.done()
    error = asked.exception(0)
    assert isinstance(error, UnavailableError)
    assert "no frame for 5 s" in str(error)
    show.refuse("the pipeline has ended", all_of_them=True)
    assert "the pipeline has ended" in str(patient.exception(0))
