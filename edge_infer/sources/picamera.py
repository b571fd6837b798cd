"""Frames of a Raspberry Pi camera through picamera2, which is imported only when one is opened."""

import importlib
from contextlib import suppress
from typing import Any

from edge_infer.errors import SourceError
from edge_infer.sources.source import BaseSource, clocks
from edge_infer.types import Frame, Size

READ_TIMEOUT = 3.0  # s; a Pi camera's longest exposure in video mode is far below
# Four are enough for a steady rate; six, the default, exhaust the contiguous memory of a Pi Zero
# (picamera2 issues 887 and 958).
BUFFERS = 4


class PiCameraSource(BaseSource):
    """A camera on the ribbon cable.

    Args:
        camera: which one, as `rpicam-hello --list-cameras` numbers them
        fps: asked of the camera; None leaves it to picamera2
    """

    def __init__(
        self, camera: int = 0, *, name: str = "picamera", size: Size = (640, 480), fps: float | None = None
    ) -> None:
        super().__init__(name, live=True)
        self._number = -1
        self._camera: Any = None
        try:
            picamera2 = importlib.import_module("picamera2")
        except ImportError as error:
            raise SourceError(
                f"picamera2 cannot be imported ({error}): pip install edge-infer[picamera], or apt install "
                "python3-picamera2 and make the environment with --system-site-packages"
            ) from error
        try:
            self._camera = picamera2.Picamera2(camera)
            # libcamera names formats as a little-endian word: "RGB888" is B, G, R in memory.
            # Source: the list of image formats in the Picamera2 Manual
            configuration = self._camera.create_video_configuration(
                main={"size": size, "format": "RGB888"},
                buffer_count=BUFFERS,
                controls={"FrameRate": fps} if fps else {},
            )
            self._camera.configure(configuration)
            self._camera.start()
        except Exception as error:
            self.close()
            raise SourceError(
                f"Pi camera {camera} does not start ({error}): check cable, and `rpicam-hello --list-cameras`"
            ) from error

    def read(self) -> Frame:
        """The next frame.

        Raises:
            SourceError: none came in time: the camera stalled, or its cable came off.
        """
        if self._camera is None:
            raise SourceError(f"{self.name} is closed: open it anew")
        try:
            data = self._camera.capture_array("main", wait=READ_TIMEOUT)
        except TimeoutError as error:
            self._camera.cancel_all_and_flush()  # or close() would wait for the frame that does not come
            raise SourceError(
                f"Pi camera gave no frame in {READ_TIMEOUT:.0f} s: check its cable; it may have stalled"
            ) from error
        except Exception as error:
            raise SourceError(f"Pi camera failed ({error}): open it anew") from error
        captured_at, captured_ns = clocks()
        self._number += 1
        return Frame(self.name, self._number, data, captured_at, captured_ns)

    def close(self) -> None:
        """Stop the camera and let others have it."""
        camera, self._camera = self._camera, None
        if camera is not None:
            with suppress(Exception):
                camera.close()
