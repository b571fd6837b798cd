from typing import Any

import log_mel_reference
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.errors import ModelError
from edge_infer.features import LogMel
from edge_infer.prepare.log_mel import LogMelFrontEnd, mel_bands
from edge_infer.prepare.samples import SampleOptions, SamplePreparer
from edge_infer.types import Frame, Span, TensorSpec

REFERENCE = np.load(log_mel_reference.FILE)
LIBROSA: dict[str, Any] = {"power": 2, "bins": 40, "low_hz": 0, "high_hz": 8000, "mel": "slaney", "slopes": "hz",
                           "area": True, "offset": 0.0}  # fmt: skip
CASES: dict[str, LogMel] = {
    "yamnet": LogMel(),
    "librosa_db": LogMel(**LIBROSA, frame=512, pad="zeros", log="db", loudest=True, top_db=60.0),
    "librosa_htk": LogMel(
        frame=400,
        pad="reflect",
        power=1,
        bins=40,
        low_hz=50,
        high_hz=7000,
        mel="htk",
        slopes="hz",
        taper="hamming",
        offset=1e-6,
    ),
    "librosa_uncentred": LogMel(**LIBROSA | {"bins": 32}, frame=400, fft=400, step=200, log="log10", floor=1e-5),
}


def front_end(options: LogMel, frames: int, **more: Any) -> LogMelFrontEnd:
    spec = TensorSpec("x", more.pop("shape", (1, frames, options.bins)), np.dtype(np.float32))
    return LogMelFrontEnd(options, spec, more.get("rate_hz", 16000.0), more.get("window"))


@pytest.mark.parametrize("name", CASES)
def test_features_are_those_of_another_implementation(name: str) -> None:
    wanted = REFERENCE[name]
    front = front_end(CASES[name], len(wanted), window=None if "uncentred" in name or name == "yamnet" else 1600)
    found = front(log_mel_reference.sound()[: front.samples, None])
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=2e-3)


def test_yamnets_96_frames_are_its_window_of_15600_samples() -> None:
    assert front_end(LogMel(), 96).samples == 15600


def test_the_input_may_have_the_bands_first() -> None:
    data = np.random.default_rng(0).standard_normal((15600, 1)).astype(np.float32)
    rows, columns = (front_end(LogMel(), 96, shape=shape)(data) for shape in ((1, 96, 64), (1, 1, 64, 96)))
    np.testing.assert_array_equal(rows, columns.T)


def test_a_flat_input_has_frame_after_frame_and_is_quantised() -> None:
    spec = TensorSpec("x", (1, 96 * 64), np.dtype(np.int8), (0.1,), (-20,))
    prepare = SamplePreparer(spec, SampleOptions(sound=True, rate_hz=16000.0, features=LogMel()))
    assert (prepare.wanted.samples, prepare.wanted.hop, prepare.wanted.channels) == (15600, 15600, 1)
    frame = Frame("mic", 0, np.zeros((15600, 1), np.float32), 0.0, 0, span=Span(0, 15600, 16000.0, ("mono",)))
    tensor, _ = prepare(frame)
    assert tensor.shape == (1, 96 * 64)
    assert set(tensor.ravel().tolist()) == {round(np.log(0.001) / 0.1) - 20}


@given(
    bins=st.integers(1, 64),
    hz=st.tuples(st.floats(0, 3000), st.floats(100, 5000)),
    mel=st.sampled_from(["htk", "slaney"]),
    slopes=st.sampled_from(["mel", "hz"]),
)
def test_bands_are_triangles_that_rise_once_and_fall_once(
    bins: int, hz: tuple[float, float], mel: Any, slopes: Any
) -> None:
    options = LogMel(bins=bins, low_hz=hz[0], high_hz=hz[0] + hz[1], mel=mel, slopes=slopes, fft=2048)
    bands = mel_bands(options, 16000.0)
    lines = np.linspace(0, 8000, 1025)
    assert bands.shape == (1025, bins)
    assert ((bands >= 0) & (bands <= 1)).all()
    assert not bands[(lines < hz[0]) | (lines > hz[0] + hz[1])].any()
    for band in bands.T:
        top = int(band.argmax())
        assert (np.diff(band[: top + 1]) >= 0).all()
        assert (np.diff(band[top:]) <= 0).all()


def test_a_tone_is_loudest_in_its_own_band() -> None:
    options = LogMel()
    tone = np.sin(2 * np.pi * 1000 * np.arange(15600) / 16000).astype(np.float32)[:, None]
    band = front_end(options, 96)(tone).mean(axis=0).argmax()
    edges = 700 * np.expm1(np.linspace(*(1127 * np.log1p(np.array([125, 7500]) / 700)), 66) / 1127)
    assert edges[band] < 1000 < edges[band + 2]


def test_mean_and_std_come_last() -> None:
    data = np.random.default_rng(0).standard_normal((15600, 1)).astype(np.float32)
    plain, scaled = (front_end(o, 96)(data) for o in (LogMel(), LogMel(mean=(1.0,), std=(2.0,))))
    np.testing.assert_allclose(scaled, (plain - 1) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "more", "message"),
    [
        (LogMel(), {"rate_hz": None}, "say which, prepare: {rate_hz: 16000}"),
        (LogMel(fft=256), {}, "fft 256 is shorter than the frame of 400"),
        (LogMel(high_hz=9000), {}, "from 125 to 9000 Hz do not fit sound of 16000 samples a second"),
        (LogMel(), {"shape": (1, 96, 40), "frames": 96}, "no whole number of frames of 64 features"),
        (LogMel(mean=(1.0, 2.0)), {}, "mean has 2 values for 64 bands"),
        (LogMel(std=(0.0,)), {}, "std is 0"),
        (LogMel(), {"window": 16000}, "96 frames of 64 bands, which are 15600 to 15759 samples, and the window has"),
        (LogMel(pad="reflect"), {"frames": 2}, "2 frames are too few for pad reflect"),
    ],
)
def test_what_cannot_be_is_refused(options: LogMel, more: dict[str, Any], message: str) -> None:
    given = {"frames": 96} | more
    if given.get("shape") == (1, 96, 40):
        given["shape"] = (1, 97, 41)
    with pytest.raises(ModelError, match=message):
        front_end(options, given.pop("frames"), **given)
