"""The real PortAudio where there is no microphone; what it says of one that is there is scripted (`Device`)."""

import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from waiting import until

from edge_infer.errors import SourceError, UnavailableError
from edge_infer.registry import open_source
from edge_infer.sources import microphone
from edge_infer.sources.microphone import MicrophoneSource
from edge_infer.sources.microphones import Microphone
from edge_infer.sources.source import EndOfStream


class PortAudioError(Exception):
    pass


class Stream:
    """Calls back when a test says so, from another thread as PortAudio does."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.running = False

    def start(self) -> None:
        self.running = True

    def abort(self, ignore_errors: bool) -> None:
        self.running = False

    def close(self, ignore_errors: bool) -> None:
        self.running = False

    def bring(self, values: Any, *, overflow: bool = False) -> None:
        data = np.repeat(np.float32(values)[:, None], self.settings["channels"], axis=1)
        status = types.SimpleNamespace(input_overflow=overflow)
        thread = threading.Thread(target=self.settings["callback"], args=(data, len(data), None, status))
        thread.start()
        thread.join()


class Device:
    """What sounddevice is, for one microphone."""

    PortAudioError = PortAudioError

    def __init__(self, rates: tuple[float, ...] = (48000.0,), channels: int = 2) -> None:
        self.rates, self.channels = rates, channels
        self.streams: list[Stream] = []
        self.listed = 0

    def _terminate(self) -> None:
        pass

    def _initialize(self) -> None:
        self.listed += 1

    def query_devices(self, device: object = None, kind: str = "") -> Any:
        about = {
            "index": 3,
            "name": "USB PnP",
            "max_input_channels": self.channels,
            "default_samplerate": self.rates[0],
        }
        if kind and device not in (None, 3, "USB"):
            raise ValueError(f"No input device matching {device!r}")
        return about if kind else [about, {"index": 4, "name": "HDMI", "max_input_channels": 0}]

    def check_input_settings(self, index: int, channels: int, dtype: str, samplerate: float) -> None:
        if samplerate not in self.rates or channels > self.channels:
            raise PortAudioError("Invalid sample rate")

    def InputStream(self, **settings: Any) -> Stream:  # noqa: N802 - as sounddevice calls it
        self.streams.append(Stream(**settings))
        return self.streams[-1]


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Device]:
    def plugged(**of: Any) -> Device:
        device = Device(**of)
        monkeypatch.setitem(sys.modules, "sounddevice", device)  # type: ignore[arg-type]
        monkeypatch.setattr(microphone, "_open_now", 0)
        monkeypatch.setattr(microphone, "_listed", None)
        return device

    return plugged


def test_without_a_microphone_the_real_portaudio_says_so() -> None:
    sounddevice = pytest.importorskip("sounddevice", exc_type=OSError)
    if any(device["max_input_channels"] for device in sounddevice.query_devices()):
        pytest.skip("this machine has a microphone")
    for address, named in (
        ("mic", "the default microphone"),
        ("mic:USB PnP", "microphone 'USB PnP'"),
        ("mic:7", "'7'"),
    ):
        with pytest.raises(SourceError, match="cannot be opened") as caught:
            open_source(address)
        assert named in str(caught.value)
        assert "this machine has no microphone: plug one in" in str(caught.value)


def test_without_the_library_or_portaudio_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UnavailableError, match=r"pip install edge-infer\[audio\]"):
        open_source("mic")
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice")
    with pytest.raises(UnavailableError, match="apt install libportaudio2"):
        open_source("mic")


def test_blocks_come_in_order_with_their_numbers(plugged: Callable[..., Device]) -> None:
    device = plugged(rates=(16000.0, 48000.0))
    with open_source("mic:USB") as source:
        device.streams[0].bring([0.1] * 480)
        device.streams[0].bring([0.2] * 480)
        first, second = source.read(), source.read()
    assert (first.source, source.live) == ("mic:USB", True)
    assert first.span is not None and second.span is not None  # noqa: PT018
    assert (first.span.rate_hz, first.span.channels) == (16000.0, ("mono",))
    assert (second.number, second.span.start, second.span.samples) == (1, 480, 480)
    assert second.captured_ns >= first.captured_ns
    np.testing.assert_array_equal(second.data, np.full((480, 1), 0.2, np.float32))
    assert not device.streams[0].running


def test_a_device_without_the_rate_gives_its_own(plugged: Callable[..., Device], caplog: Any) -> None:
    device = plugged(rates=(44100.0,), channels=1)
    with open_source("mic", channels=2) as source:
        device.streams[0].bring([0.0] * 1323)
        span = source.read().span
    assert span is not None
    assert (span.rate_hz, span.channels) == (44100.0, ("mono",))
    assert "has 1 channels of 44100 samples a second" in caplog.text


def test_what_nobody_read_in_time_leaves_a_gap_and_is_counted(plugged: Callable[..., Device]) -> None:
    device = plugged(rates=(16000.0,))
    with open_source("mic", buffer_s=0.3) as source:
        for _ in range(25):
            device.streams[0].bring([0.0] * 480)
        frames = [source.read() for _ in range(10)]
    assert [frame.span.start for frame in frames if frame.span] == [480 * k for k in range(15, 25)]
    assert source.skipped["lost"] == 15 * 480


def test_what_portaudio_lost_leaves_a_gap(plugged: Callable[..., Device]) -> None:
    device = plugged(rates=(16000.0,))
    with open_source("mic") as source:
        device.streams[0].bring([0.0] * 480)
        device.streams[0].bring([0.0] * 480, overflow=True)
        first, second = source.read().span, source.read().span
    assert first is not None and second is not None  # noqa: PT018
    assert second.start > first.end
    assert source.skipped["lost"] == second.start - first.end


def test_one_that_was_pulled_out_is_lost_and_comes_back(
    plugged: Callable[..., Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = plugged(rates=(16000.0,))
    monkeypatch.setattr(microphone, "SILENT_S", 0.05)
    with open_source("mic") as source:
        device.streams[0].bring([0.0] * 480)
        device.streams[0].settings["finished_callback"]()
        source.read()
        with pytest.raises(SourceError, match=r"gives no more sound: is it plugged in\? `edge-infer devices`"):
            source.read()
    assert device.listed == 0, "the devices are the same, and listing them ends an application's own streams"
    monkeypatch.setattr(microphone, "list_microphones", lambda: [Microphone(5, 0, "USB PnP")])
    with open_source("mic") as source:
        with pytest.raises(SourceError, match="gives no more sound"):  # no driver has said that it ended
            source.read()
        device.streams[1].bring([0.0] * 480)
        assert source.read().number == 0
    assert device.listed == 1, "PortAudio looks anew which devices there are"


def test_a_name_that_no_device_has_lists_those_that_there_are(plugged: Callable[..., Device]) -> None:
    plugged()
    with pytest.raises(SourceError, match=r"microphones of this machine: 3 USB PnP$"):
        open_source("mic:Blue Yeti")


def test_a_read_that_is_interrupted_ends(plugged: Callable[..., Device]) -> None:
    plugged(rates=(16000.0,))
    with open_source("mic") as source:
        source.interrupt()
        with pytest.raises(EndOfStream):
            source.read()


def test_a_reader_that_waits_is_woken_by_closing(plugged: Callable[..., Device]) -> None:
    plugged(rates=(16000.0,))
    source = MicrophoneSource()
    ended: list[Exception] = []

    def read() -> None:
        try:
            source.read()
        except SourceError as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    source.close()
    source.close()
    until(lambda: ended, what="the end of the read")
    thread.join()
