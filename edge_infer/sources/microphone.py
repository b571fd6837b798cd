"""A microphone, through PortAudio."""

import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from edge_infer.errors import SourceError, UnavailableError
from edge_infer.sources.microphones import Microphone, list_microphones
from edge_infer.sources.sound import channel_names
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Array, Frame, Span

log = logging.getLogger(__name__)

BLOCK_S = 0.03  # of one callback: as long as the shortest windows of streaming models
SILENT_S = 2.0  # without a callback, the device has gone: drivers do not always say so
_open_now = 0  # streams of ours; PortAudio lists devices anew only while there is none
_listed: list[Microphone] | None = None  # what the kernel had when PortAudio listed devices
_lock = threading.Lock()


@dataclass(frozen=True)
class _Block:
    start: int
    data: Array
    captured_at: float
    captured_ns: int


class MicrophoneSource(BaseSource):
    """Blocks of samples as they are heard; what was lost leaves a gap in their numbers, and is counted as "lost".

    Args:
        device: its name or a part of it, or its number; "": the system's
        rate_hz, channels: to ask for; a device that does not have them gives its own
        buffer_s: what is kept while nobody reads
    """

    def __init__(
        self, device: str = "", *, name: str = "", rate_hz: float = 16000.0, channels: int = 1, buffer_s: float = 2.0
    ) -> None:
        super().__init__(name or (f"mic:{device}" if device else "mic"), live=True)
        self._shown = f"microphone {device!r}" if device else "the default microphone"
        self._blocks: deque[_Block] = deque(maxlen=max(1, round(buffer_s / BLOCK_S)))
        self._heard = threading.Condition()
        self._heard_samples = self._read_samples = 0
        self._number = 0
        self._ended = False
        self._last_ns = 0  # monotonic: when the last block was heard
        self.rate_hz = rate_hz
        self._channels = channel_names(channels)
        sounddevice = _library()
        with _lock:
            _list_anew(sounddevice)
            self._stream = self._opened(sounddevice, device, channels)

    def read(self) -> Frame:
        """The next block.

        Raises:
            SourceError: the device has gone, or gives nothing.
        """
        with self._heard:
            self._heard.wait_for(lambda: self._blocks or self._ended, SILENT_S)
            if self._interrupted.is_set():
                raise EndOfStream
            if not self._blocks:
                raise SourceError(
                    f"{self._shown} gives no more sound: is it plugged in? `edge-infer devices` lists them"
                )
            block = self._blocks.popleft()
        if block.start > self._read_samples:
            self.skipped["lost"] += block.start - self._read_samples
        self._read_samples = block.start + len(block.data)
        self._number += 1
        span = Span(block.start, len(block.data), self.rate_hz, self._channels)
        return Frame(self.name, self._number - 1, block.data, block.captured_at, block.captured_ns, span=span)

    def interrupt(self) -> None:
        """See `BaseSource.interrupt`."""
        super().interrupt()
        self._over()

    def close(self) -> None:
        """Let go of the device."""
        global _open_now
        stream, self._stream = self._stream, None
        if stream is None:
            return
        stream.abort(ignore_errors=True)
        stream.close(ignore_errors=True)
        self._over()
        with _lock:  # not before: one that hangs here is open still
            _open_now -= 1

    def _opened(self, sounddevice: Any, device: str, channels: int) -> Any:
        """A stream that runs."""
        global _open_now
        stream: Any = None
        chosen: int | str | None = int(device) if device.isdecimal() else device or None
        try:
            about = sounddevice.query_devices(chosen, "input")
            rate, count = _possible(sounddevice, about, self.rate_hz, channels)
            if (rate, count) != (self.rate_hz, channels):
                log.warning("%s has %d channels of %g samples a second: these are taken", self._shown, count, rate)
            self.rate_hz, self._channels = rate, channel_names(count)
            stream = sounddevice.InputStream(
                samplerate=rate,
                blocksize=max(1, round(rate * BLOCK_S)),
                device=about["index"],
                channels=count,
                dtype="float32",
                callback=self._take,
                finished_callback=self._over,
            )
            stream.start()
        except (ValueError, sounddevice.PortAudioError) as error:
            if stream is not None:
                stream.close(ignore_errors=True)
            raise SourceError(f"{self._shown} cannot be opened ({error}); {_present(sounddevice)}") from error
        _open_now += 1
        return stream

    def _take(self, data: Array, samples: int, times: Any, status: Any) -> None:
        """PortAudio's thread brings a block."""
        captured_at, captured_ns = clocks()
        if status.input_overflow:
            self._heard_samples += self._lost(captured_ns)
        with self._heard:
            self._blocks.append(_Block(self._heard_samples, data.copy(), captured_at, captured_ns))
            self._heard_samples += samples
            self._last_ns = captured_ns
            self._heard.notify()

    def _lost(self, now_ns: int) -> int:
        """How many samples PortAudio has thrown away, by the time that has passed; at least one."""
        passed_s = (now_ns - self._last_ns) / 1e9 if self._heard_samples else 0.0
        return max(1, round((passed_s - BLOCK_S) * self.rate_hz))

    def _over(self) -> None:
        with self._heard:
            self._ended = True
            self._heard.notify_all()


def _possible(sounddevice: Any, about: Any, rate_hz: float, channels: int) -> tuple[float, int]:
    """(rate, channels) that the device has, the nearest to what is wanted."""
    own_rate, own_channels = float(about["default_samplerate"]), int(about["max_input_channels"])
    wanted = min(channels, own_channels)
    choices = [(rate_hz, wanted), (own_rate, wanted), (rate_hz, own_channels), (own_rate, own_channels)]
    for rate, count in choices:
        try:
            sounddevice.check_input_settings(about["index"], count, "float32", samplerate=rate)
        except sounddevice.PortAudioError:
            continue
        return rate, count
    return own_rate, own_channels  # opening it says what is wrong


def _library() -> Any:
    """The module sounddevice.

    Raises:
        UnavailableError: it, or PortAudio, is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise UnavailableError("microphones need sounddevice: pip install edge-infer[audio]") from error
    except OSError as error:  # it has found no PortAudio
        raise UnavailableError("microphones need PortAudio: apt install libportaudio2") from error
    return sounddevice


def _list_anew(sounddevice: Any) -> None:
    """Let PortAudio look which devices there are, where they are others: it does so at its beginning only.

    That ends all its streams in this process, those of an application, too: so not for nothing.
    """
    global _listed
    present = list_microphones()
    if _listed is not None and present != _listed and _open_now == 0:
        sounddevice._terminate()  # noqa: SLF001 - there is no public name for it
        sounddevice._initialize()  # noqa: SLF001
    if _open_now == 0:
        _listed = present


def _present(sounddevice: Any) -> str:
    """The microphones that there are, in a sentence."""
    named = [f"{one['index']} {one['name']}" for one in sounddevice.query_devices() if one["max_input_channels"] > 0]
    if named:
        return f"microphones of this machine: {'; '.join(named)}"
    unseen = ", ".join(map(str, list_microphones()))
    if unseen:
        return f"the kernel has {unseen}, which this user may not open: add it to the group audio"
    return "this machine has no microphone: plug one in"
