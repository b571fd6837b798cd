import threading

import pytest
from scripted import ScriptedModel, ScriptedSource
from waiting import DEADLINE

from edge_infer.errors import InputError, SourceError
from edge_infer.streaming import stream
from edge_infer.types import Frame

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")


def test_a_stream_gives_each_frame_of_a_file() -> None:
    results = list(stream(ScriptedSource(range(20), live=False), ScriptedModel()))
    assert [result.number for result in results] == list(range(20))


def test_a_stream_of_a_live_source_says_what_was_dropped() -> None:
    answered, read = threading.Event(), threading.Event()
    results = stream(ScriptedSource([0, answered, 1, 2, 3, read.set], live=True), ScriptedModel())
    assert next(results).number == 0
    answered.set()
    assert read.wait(DEADLINE)
    last = next(results)
    assert (last.number, last.dropped) == (3, {"overrun": 2})
    assert list(results) == []


def test_a_stream_ends_with_the_error_of_its_source_after_what_it_had_given() -> None:
    results = stream(ScriptedSource([0, 1, SourceError("cable pulled")], live=False), ScriptedModel())
    assert [next(results).number, next(results).number] == [0, 1]
    with pytest.raises(SourceError, match="cable pulled"):
        next(results)


def test_a_stream_of_a_silent_source_ends_with_an_error() -> None:
    silent = threading.Event()
    results = stream(ScriptedSource([0, silent], live=True), ScriptedModel(), max_frame_age_s=0.2)
    assert next(results).number == 0
    with pytest.raises(SourceError, match=r"scripted gave no frame for 0\.2 s"):
        next(results)
    silent.set()


def test_what_the_model_raises_comes_out_of_the_stream() -> None:
    def act(frame: Frame) -> None:
        raise InputError("roi outside")

    with pytest.raises(InputError, match="roi outside"):
        next(stream(ScriptedSource(range(9), live=False), ScriptedModel(act)))


def test_leaving_a_stream_early_ends_its_reader() -> None:
    results = stream(ScriptedSource(range(1000), live=False), ScriptedModel())
    assert next(results).number == 0
    results.close()
