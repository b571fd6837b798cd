"""The sources of sound, opened."""

from edge_infer.sources.audio_settings import AudioSettings, MicrophoneSettings, PcmSettings, WavSettings
from edge_infer.sources.source import BaseSource


def open_audio(settings: AudioSettings, name: str) -> BaseSource:
    """The opened source; a library that only a microphone needs is loaded for one only.

    Raises:
        SourceError: the microphone or the writer is not there.
        UnavailableError: there is no such file, or a library is not installed.
        InputError: the file cannot be read.
    """
    match settings:
        case MicrophoneSettings():
            from edge_infer.sources.microphone import MicrophoneSource

            return MicrophoneSource(
                settings.device,
                name=name,
                rate_hz=settings.rate_hz,
                channels=settings.channels,
                buffer_s=settings.buffer_s,
            )
        case WavSettings():
            from edge_infer.sources.wav import WavSource

            return WavSource(settings.uri, name=name, loop=settings.loop, pace=settings.pace)
        case PcmSettings():
            from edge_infer.sources.raw_audio import PcmSource

            return PcmSource(
                settings.uri,
                name=name,
                form=settings.format,
                rate_hz=settings.rate_hz,
                channels=settings.channels,
                timeout_s=settings.timeout_s,
                live=settings.live,
            )
