import numpy as np
import pytest

pytest.importorskip("pymicro_features")

from edge_infer.errors import ModelError
from edge_infer.features import Micro
from edge_infer.prepare.micro import MicroFrontEnd
from edge_infer.prepare.samples import SampleOptions, SamplePreparer
from edge_infer.types import TensorSpec

SOUND = (0.3 * np.sin(2 * np.pi * 440 * np.arange(4800) / 16000)).astype(np.float32)[:, None]


def spec(frames: int) -> TensorSpec:
    return TensorSpec("x", (1, frames, 40), np.dtype(np.float32))


def test_windows_of_one_stream_make_the_features_of_the_whole() -> None:
    """10 windows of 30 ms, and one of 300 ms: the same frames, which begin with two of silence."""
    short, long = MicroFrontEnd(Micro(), spec(3), None), MicroFrontEnd(Micro(), spec(30), None)
    assert (short.samples, short.hop, long.samples) == (480, 480, 4800)
    parts = [short(SOUND[start : start + 480]) for start in range(0, 4800, 480)]
    np.testing.assert_array_equal(np.concatenate(parts), long(SOUND))


def test_forgetting_begins_anew() -> None:
    front = MicroFrontEnd(Micro(), spec(3), 16000.0)
    first, second = front(SOUND[:480]), front(SOUND[:480])
    assert not np.array_equal(first, second)
    front.forget()
    np.testing.assert_array_equal(front(SOUND[:480]), first)


def test_windows_that_stand_alone_may_overlap() -> None:
    front = MicroFrontEnd(Micro(streaming=False), spec(3), None)
    assert (front.samples, front.hop) == (480 + 2 * 160, None)
    np.testing.assert_array_equal(front(SOUND[:800]), front(SOUND[:800]))


def test_windows_that_go_on_may_not() -> None:
    with pytest.raises(ModelError, match="leave out overlap"):
        SamplePreparer(spec(3), SampleOptions(sound=True, overlap=0.5, features=Micro()))


def test_another_rate_is_refused() -> None:
    with pytest.raises(ModelError, match="made of 16000 samples a second, not 8000"):
        MicroFrontEnd(Micro(), spec(3), 8000.0)
