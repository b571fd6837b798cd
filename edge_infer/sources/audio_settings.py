"""What a configuration may say of the sources of sound."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

# Source: FFmpeg, `ffmpeg -formats`, PCM: type, bits, byte order
SampleFormat: TypeAlias = Literal["u8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be", "f64le"]
Rate = Annotated[float, Meta(ge=100.0, le=768_000.0)]
Channels = Annotated[int, Meta(ge=1, le=64)]


class MicrophoneSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="mic"):
    """A microphone, through PortAudio."""

    device: Annotated[
        str, Meta(description="its name or a part of it, or its number; default: the system's", examples=["USB PnP"])
    ] = ""
    rate_hz: Annotated[
        Rate, Meta(description="to ask for; one that does not have it gives its own, which is converted")
    ] = 16000.0
    channels: Annotated[Channels, Meta(description="to ask for; the model is given their mean")] = 1
    buffer_s: Annotated[
        Annotated[float, Meta(ge=0.1, le=60.0)], Meta(description="what is kept while nobody reads; older is lost")
    ] = 2.0


class WavSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="wav"):
    """A WAV file; no sample is dropped."""

    uri: Path
    loop: Annotated[bool, Meta(description="start again at the end")] = False
    pace: Annotated[Literal["fast", "realtime"], Meta(description="as fast as it goes, or at the file's own rate")] = (
        "fast"
    )


class PcmSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="pcm"):
    """Bare samples that another program writes: into a FIFO, our standard input, or a TCP connection."""

    uri: Annotated[
        str, Meta(description="path of a FIFO or file, - for standard input, tcp://host:port", examples=["/run/sound"])
    ]
    format: Annotated[SampleFormat, Meta(description="of a sample, as FFmpeg calls it")] = "s16le"
    rate_hz: Annotated[Rate, Meta(description="samples of one channel a second")] = 16000.0
    channels: Annotated[Channels, Meta(description="whose samples alternate")] = 1
    timeout_s: Annotated[
        Annotated[float, Meta(ge=0.1, le=3600.0)], Meta(description="the writer is lost when nothing comes for longer")
    ] = 5.0
    live: Annotated[bool, Meta(description="it is sound of now; false: nothing is dropped, the writer waits")] = True


AudioSettings: TypeAlias = MicrophoneSettings | WavSettings | PcmSettings
