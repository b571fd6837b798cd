"""What may be said of the features that a model of samples is fed with, instead of the samples themselves."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

Hz = Annotated[float, Meta(ge=0.0, le=1e6)]
Count = Annotated[int, Meta(ge=1, le=1_048_576)]


class LogMel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="log-mel"):
    """Logarithms of the energy in mel bands, frame by frame; the defaults are those of YAMNet and VGGish."""

    frame: Annotated[Count, Meta(description="samples that one frame looks at")] = 400
    step: Annotated[Count, Meta(description="samples from one frame to the next")] = 160
    fft: Annotated[Count, Meta(description="length of the Fourier transform, at least `frame`")] = 512
    taper: Annotated[
        Literal["hann", "hamming", "none"], Meta(description="window function of a frame, the periodic one")
    ] = "hann"
    pad: Annotated[
        Literal["none", "zeros", "reflect"],
        Meta(description="what is put at both ends, half an `fft` each: librosa zeros, torchaudio reflect"),
    ] = "none"
    power: Annotated[Literal[1, 2], Meta(description="of the magnitudes before they are summed; librosa: 2")] = 1
    bins: Annotated[Annotated[int, Meta(ge=1, le=1024)], Meta(description="mel bands")] = 64
    low_hz: Annotated[Hz, Meta(description="where the lowest band begins")] = 125.0
    high_hz: Annotated[Hz, Meta(description="where the highest band ends")] = 7500.0
    mel: Annotated[
        Literal["htk", "slaney"], Meta(description="the scale: TensorFlow and torchaudio htk, librosa slaney")
    ] = "htk"
    slopes: Annotated[
        Literal["mel", "hz"], Meta(description="the triangles are straight in: TensorFlow mel, librosa, torchaudio hz")
    ] = "mel"
    area: Annotated[bool, Meta(description="bands of equal area (librosa), not of equal height")] = False
    log: Annotated[Literal["ln", "log10", "db", "none"], Meta(description="db: 10 * log10")] = "ln"
    offset: Annotated[float, Meta(ge=0.0, description="added before the logarithm")] = 0.001
    floor: Annotated[float, Meta(ge=0.0, description="what is less counts as this; before the logarithm")] = 0.0
    loudest: Annotated[bool, Meta(description="relative to the loudest of the window: librosa's ref=np.max")] = False
    top_db: Annotated[
        Annotated[float, Meta(gt=0.0)] | None, Meta(description="at most so far below the loudest, with log db")
    ] = None
    mean: Annotated[tuple[float, ...], Meta(description="(x - mean) / std at the end; one number, or one a band")] = (
        0.0,
    )
    std: Annotated[tuple[float, ...], Meta(description="see mean")] = (1.0,)


class Micro(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="micro"):
    """The front end of TFLite Micro: 40 bands every 10 ms at 16 kHz, with noise reduction and gain control."""

    streaming: Annotated[
        bool, Meta(description="each window goes on where the one before ended; false: each stands alone")
    ] = True


class Bands(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="bands"):
    """Logarithms of the energy in bands of frequency, of each channel: what `edge-infer fit anomaly` learns from."""

    segment: Annotated[Count, Meta(description="samples of one spectrum; those of a window overlap by half")]
    bands: Annotated[int, Meta(ge=1, le=1024, description="of each channel; the highest ends at half the rate")]
    floor: Annotated[
        tuple[Annotated[float, Meta(gt=0.0)], ...],
        Meta(description="added to each energy before the logarithm; one number, or one for each channel"),
    ]
    level: Annotated[bool, Meta(description="the mean of each channel comes before its bands")] = False


Features: TypeAlias = LogMel | Micro | Bands
