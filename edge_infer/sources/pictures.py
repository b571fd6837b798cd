"""The sources of pictures, opened."""

from edge_infer.sources.settings import (
    CameraSettings,
    ImagesSettings,
    PiCameraSettings,
    PictureSettings,
    StillSettings,
    StreamSettings,
    VideoSettings,
)
from edge_infer.sources.source import BaseSource


def open_pictures(settings: PictureSettings, name: str) -> BaseSource:
    """The opened source; a library that only one kind of camera needs is loaded for that one only.

    Raises:
        SourceError: the camera or stream is not there, or does not answer.
        UnavailableError: there is no such file, or a library is not installed.
        InputError: the file cannot be read.
    """
    match settings:
        case CameraSettings():
            from edge_infer.sources.capture import CameraSource

            return CameraSource(
                settings.uri,
                name=name,
                size=settings.size,
                fps=settings.fps,
                fourcc=settings.fourcc,
                max_fps=settings.fps,
            )
        case StreamSettings():
            from edge_infer.sources.capture import StreamSource

            return StreamSource(settings.uri, name=name, max_fps=settings.fps)
        case PiCameraSettings():
            from edge_infer.sources.picamera import PiCameraSource

            return PiCameraSource(settings.index, name=name or "picamera", size=settings.size, fps=settings.fps)
        case VideoSettings():
            from edge_infer.sources.video import VideoSource

            return VideoSource(settings.uri, name=name, loop=settings.loop, pace=settings.pace)
        case ImagesSettings():
            from edge_infer.sources.images import ImageSource

            return ImageSource(settings.uri, name=name)
        case StillSettings():
            from edge_infer.sources.images import read_image
            from edge_infer.sources.still import StillSource

            picture = read_image(settings.uri)
            return StillSource(
                picture,
                name=name or "still",
                size=settings.size,
                fps=settings.fps,
                focus=settings.focus,
                frames=settings.frames,
            )
