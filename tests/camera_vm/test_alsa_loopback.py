"""A real ALSA microphone through PortAudio, and what befalls it; scripts/test-camera runs this in a machine of its own.

The kernel's sound card Loopback: what is played on its device 0 is heard on device 1.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from waiting import until

from edge_infer.errors import SourceError
from edge_infer.registry import open_source
from edge_infer.sources.microphones import list_microphones
from edge_infer.sources.source import BaseSource

pytestmark = pytest.mark.slow
DRIVER = Path("/sys/bus/platform/drivers/snd_aloop")
HEARD, PLAYED = "hw:0,1", "hw:0,0"
TONE_HZ = 1000.0


@pytest.fixture(autouse=True)
def card() -> None:
    if not (DRIVER / "snd_aloop.0").exists():
        pytest.skip("needs the kernel's sound card Loopback: run scripts/test-camera")


@pytest.fixture
def playing() -> Iterator[None]:
    """A tone on the other end of the card."""
    import sounddevice

    at = 0

    def more(out: np.ndarray, samples: int, *_: object) -> None:
        nonlocal at
        out[:] = (0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(at, at + samples) / 48000))[:, None]
        at += samples

    with sounddevice.OutputStream(48000, device=PLAYED, channels=1, dtype="float32", callback=more):
        yield


def heard(source: BaseSource, seconds: float) -> np.ndarray:
    """Samples of a stretch that has no gap."""
    blocks: list[np.ndarray] = []
    end = None
    while sum(map(len, blocks)) < seconds * 48000:
        frame = source.read()
        assert frame.span is not None
        if end is not None and frame.span.start != end:
            blocks = []  # an emulated machine may be late
        end = frame.span.end
        blocks.append(frame.data[:, 0])
    return np.concatenate(blocks)


def test_the_card_is_listed_by_its_name() -> None:
    assert {microphone.name.split()[0] for microphone in list_microphones()} == {"Loopback"}


def test_what_is_played_is_heard_at_its_pitch(playing: None) -> None:
    with open_source(f"mic:{HEARD}", rate_hz=48000) as source:
        until(lambda: np.abs(source.read().data).max() > 0.1, 60, "the tone")
        data = heard(source, 0.1)
    spectrum = np.abs(np.fft.rfft(data * np.hanning(len(data))))
    assert spectrum.argmax() * 48000 / len(data) == pytest.approx(TONE_HZ, abs=5)


def test_a_card_that_is_pulled_out_is_lost_and_heard_again() -> None:
    with open_source(f"mic:{HEARD}", rate_hz=48000) as source:
        source.read()
        pulling = threading.Thread(target=(DRIVER / "unbind").write_text, args=("snd_aloop.0",))
        pulling.start()  # the kernel waits until nobody has it open
        with pytest.raises(SourceError, match="gives no more sound"):
            heard(source, 1e9)
    pulling.join()
    with pytest.raises(SourceError, match="this machine has no microphone"):
        open_source(f"mic:{HEARD}")
    (DRIVER / "bind").write_text("snd_aloop.0")
    until(lambda: list_microphones(), 60, "the card")
    with open_source(f"mic:{HEARD}", rate_hz=48000) as source:
        assert len(heard(source, 0.1)) >= 4800
