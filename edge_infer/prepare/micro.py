"""The front end of TFLite Micro: what microWakeWord models hear."""

import numpy as np

from edge_infer.errors import ModelError, UnavailableError
from edge_infer.features import Micro
from edge_infer.prepare.front_end import frames_of
from edge_infer.types import Array, TensorSpec

# Source: tflite-micro, microfrontend/lib, as pymicro-features builds it
RATE_HZ = 16000.0
BINS = 40
FRAME = 480  # 30 ms
STEP = 160  # 10 ms


class MicroFrontEnd:
    """Mono sound of 16 kHz to frames of 40 bands, through pymicro-features. See `FrontEnd`."""

    channels = 1
    rate_hz: float | None = RATE_HZ

    def __init__(self, options: Micro, spec: TensorSpec, rate_hz: float | None) -> None:
        if rate_hz not in (None, RATE_HZ):
            raise ModelError(f"features of kind micro are made of {RATE_HZ:g} samples a second, not {rate_hz:g}")
        try:
            from pymicro_features import MicroFrontend
        except ImportError as error:
            raise UnavailableError(
                "features of kind micro need pymicro-features: pip install edge-infer[audio]"
            ) from error
        frames = frames_of(spec, BINS)
        self._open = MicroFrontend
        self._streaming = options.streaming
        self._frames = frames
        self.samples = frames * STEP if options.streaming else FRAME + (frames - 1) * STEP
        self.hop = self.samples if options.streaming else None
        self.forget()

    def __call__(self, data: Array) -> Array:
        """`(samples, 1) float32` to all numbers of the input; frames before the first samples are silent."""
        if not self._streaming:
            self.forget()
        stored = np.clip(np.round(data[:, 0] * 32768.0), -32768, 32767).astype("<i2")
        chunks = (stored[start : start + STEP].tobytes() for start in range(0, len(stored) - STEP + 1, STEP))
        found = [said for chunk in chunks if (said := self._frontend.process_samples(chunk).features)]
        frames = np.zeros((self._frames, BINS), np.float32)
        if found:
            frames[-len(found) :] = found[-self._frames :]
        return frames

    def forget(self) -> None:
        """It has heard nothing."""
        self._frontend = self._open()
