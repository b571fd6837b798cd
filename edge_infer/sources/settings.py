"""What a configuration may say of the sources of this package."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from edge_infer.sources.audio_settings import AudioSettings
from edge_infer.sources.sensor_settings import SensorSettings
from edge_infer.sources.source_kind import PluggedSource

Side = Annotated[int, Meta(ge=16, le=16384)]
Fps = Annotated[float, Meta(gt=0.0, le=1000.0)]


class CameraSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="camera"):
    """A USB or other V4L2 camera."""

    uri: Annotated[
        str,
        Meta(description="/dev/video0, or /dev/v4l/by-id/... which stays with the camera", examples=["/dev/video0"]),
    ]
    size: Annotated[tuple[Side, Side] | None, Meta(description="width, height to ask the camera for")] = None
    fps: Annotated[Fps | None, Meta(description="frames per second to ask for, and at most to use")] = None
    fourcc: Annotated[str, Meta(description="pixel format to ask for, such as MJPG", pattern="^(.{4})?$")] = ""


class PiCameraSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="picamera"):
    """A camera on a Raspberry Pi's ribbon cable, through picamera2."""

    index: Annotated[int, Meta(ge=0, description="as `rpicam-hello --list-cameras` numbers them")] = 0
    size: Annotated[tuple[Side, Side], Meta(description="width, height")] = (640, 480)
    fps: Annotated[Fps | None, Meta(description="frames per second to ask for")] = None


class StreamSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="stream"):
    """A network camera: RTSP, HTTP/MJPEG, UDP."""

    uri: Annotated[str, Meta(description="rtsp://user:password@host/path, http://host/stream.mjpg, ...")]
    fps: Annotated[Fps | None, Meta(description="frames per second to use at most")] = None


class VideoSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="video"):
    """A video file; no frame is dropped."""

    uri: Path
    loop: Annotated[bool, Meta(description="start again at the end")] = False
    pace: Annotated[Literal["fast", "realtime"], Meta(description="as fast as it goes, or at the file's own rate")] = (
        "fast"
    )


class ImagesSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="images"):
    """A picture, a folder of pictures, or a pattern such as photos/*.jpg; none is dropped."""

    uri: Path


class StillSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="still"):
    """A camera for demonstrations: pans and zooms over one picture."""

    uri: Path
    size: Annotated[tuple[Side, Side], Meta(description="width, height")] = (640, 480)
    fps: Fps = 10.0
    focus: Annotated[
        tuple[float, float, float, float] | None, Meta(description="x0, y0, x1, y1 in the picture: stays in view")
    ] = None
    frames: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="end after so many")] = None


class ReplaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="replay"):
    """What `edge-infer run --record-inputs` has recorded; no frame is dropped."""

    uri: Annotated[Path, Meta(description="the folder")]
    pipeline: Annotated[str | None, Meta(description="whose inputs, where several were recorded")] = None
    pace: Annotated[Literal["fast", "realtime"], Meta(description="as fast as it goes, or as it was recorded")] = "fast"


PictureSettings: TypeAlias = (
    CameraSettings | PiCameraSettings | StreamSettings | VideoSettings | ImagesSettings | StillSettings
)
SourceSettings: TypeAlias = PictureSettings | AudioSettings | SensorSettings | ReplaySettings | PluggedSource
