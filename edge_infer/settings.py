"""What a configuration file may say. These structs are the manual: `config sample` prints their descriptions."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from edge_infer import config
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.catalogue.places import meant
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.sink_kind import PluggedSink, SinkKind
from edge_infer.errors import UnavailableError
from edge_infer.mqtt.broker import Broker
from edge_infer.plugins import SINKS, SOURCES, Extension
from edge_infer.runtime.delegate import DEVICE
from edge_infer.sources.source_kind import PluggedSource, SourceKind
from edge_infer.wire.topics import NAME

CONFIG_PATHS = (Path("edge-infer.yaml"), Path("/etc/edge-infer/config.yaml"))

PipelineName = Annotated[str, Meta(pattern=NAME, examples=["door"])]
Side = Annotated[int, Meta(ge=16, le=16384)]
CommandName = Literal["ping", "snapshot", "pause", "resume", "reload", "set", "restart"]
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


SourceSettings: TypeAlias = (
    CameraSettings | PiCameraSettings | StreamSettings | VideoSettings | ImagesSettings | StillSettings | PluggedSource
)


class ModelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model of a pipeline."""

    path: Annotated[
        Path,
        Meta(
            description="a bundle folder, a .tflite file, or a name that `edge-infer models list` shows",
            examples=["models/face-detection"],
        ),
    ]
    device: Annotated[
        str,
        Meta(description="auto, cpu, edgetpu[:usb|:pci][:N], or external (see delegate)", pattern=DEVICE),
    ] = "auto"
    threads: Annotated[int, Meta(ge=1, le=64, description="CPU threads for one inference")] = 1
    workers: Annotated[int, Meta(ge=1, le=16, description="inferences at the same time, each with its own model")] = 1
    runtime: Annotated[
        Literal["ai_edge_litert", "tflite_runtime"] | None, Meta(description="force one of the two runtimes")
    ] = None
    delegate: Annotated[
        str | None, Meta(description="path of the Edge TPU library, if not the system's; or of an external delegate")
    ] = None
    delegate_options: Annotated[dict[str, str], Meta(description="what an external delegate is told")] = {}
    isolated: Annotated[
        bool | None,
        Meta(
            description="run in a process of its own, which is replaced when it hangs or crashes; default: "
            "accelerators are, the CPU is not"
        ),
    ] = None
    stand_in: Annotated[
        bool, Meta(description="while an accelerator cannot, let the CPU do the work, if there is a file for it")
    ] = True
    deadline_s: Annotated[
        Annotated[float, Meta(gt=0.0, le=600.0)] | None,
        Meta(description="a longer inference of an isolated model is a hang; default: 20 x the usual, at least 1 s"),
    ] = None
    labels: Annotated[Path | None, Meta(description="labels file, where the model brings none")] = None


class PipelineSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source, one model, and what is done with its predictions."""

    source: Annotated[SourceSettings, Meta(extra={"more": Extension(SOURCES, SourceKind)})]
    model: ModelSettings
    prepare: Prepare = Prepare()
    decode: Decode = Decode()
    max_frame_age_s: Annotated[
        float,
        Meta(gt=0.0, le=3600.0, description="a live source silent for longer is lost, and older frames are dropped"),
    ] = 5.0
    max_still_s: Annotated[
        Annotated[float, Meta(ge=1.0)] | None,
        Meta(description="a live source whose picture does not change by a bit for longer is lost: the camera froze"),
    ] = None
    snapshot_s: Annotated[
        Annotated[float, Meta(gt=0.0)] | None,
        Meta(description="publish a JPEG with the predictions drawn on it, at most this often"),
    ] = None


class DeviceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who this device is."""

    id: Annotated[
        str,
        Meta(
            pattern=NAME,
            description="one level of every topic, and the MQTT client id: unique in the fleet",
            examples=["porch"],
        ),
    ]
    state_dir: Annotated[
        Path | None, Meta(description="what must survive a restart; default: $STATE_DIRECTORY, /var/lib/edge-infer")
    ] = None


class FileSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Results as JSON lines in a file."""

    path: Path
    max_bytes: Annotated[int, Meta(ge=10_000, description="moved to <name>.1 beyond; twice this is kept")] = 64_000_000


class HealthSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the device reports on itself."""

    interval_s: Annotated[float, Meta(ge=0.5, le=3600.0)] = 10.0
    prometheus_port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None, Meta(description="answer `GET /metrics` on this port")
    ] = None
    prometheus_host: Annotated[str, Meta(description="... of this address; 0.0.0.0: of all")] = "127.0.0.1"


class SuperviseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a part counts as hung, and when the process ends (exit code 75) for systemd to start it anew."""

    infer_s: Annotated[
        float, Meta(gt=0.0, description="a model without an answer for longer, and for 20 times its usual, hangs")
    ] = 1.5
    exit_after_s: Annotated[
        Annotated[float, Meta(gt=0.0)] | None,
        Meta(description="end where a live source hangs in its driver for longer; null: never"),
    ] = 60.0
    rss_growth_bytes_h: Annotated[
        Annotated[int, Meta(gt=0)] | None, Meta(description="report memory that grows faster than this for an hour")
    ] = 20_000_000
    open_files_growth_h: Annotated[
        Annotated[int, Meta(gt=0)] | None, Meta(description="report open files that become more at this rate, too")
    ] = 60
    max_rss_bytes: Annotated[
        Annotated[int, Meta(ge=10_000_000)] | None, Meta(description="end where this process takes more memory")
    ] = None
    max_open_files: Annotated[
        Annotated[int, Meta(ge=50)] | None, Meta(description="end where it has more open files; `ulimit -n` is 1024")
    ] = 900


class CommandSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be asked of this device over MQTT."""

    allow: Annotated[tuple[CommandName, ...], Meta(description="the commands that are obeyed (docs/commands.md)")] = (
        "ping",
    )
    token_file: Annotated[
        Path | None,
        Meta(
            description="file with a secret in its first line, which all but ping must carry; or the name of a systemd "
            "credential"
        ),
    ] = None

    def token(self) -> str | None:
        """The secret.

        Raises:
            UnavailableError: the file cannot be read, or holds none.
        """
        if self.token_file is None:
            return None
        path = config.credential(self.token_file)
        try:
            token = path.read_text("utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UnavailableError(f"cannot read the token of the commands in {path}: {error}") from error
        if not token:
            raise UnavailableError(f"the first line of {path} is empty: write the token of the commands there")
        return token


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration of one daemon."""

    version: Annotated[Literal[1], Meta(description="of this file's format")]
    device: DeviceSettings
    mqtt: Annotated[Broker | None, Meta(description="the broker; without it results go to file or stdout only")] = None
    outbox: OutboxSettings = OutboxSettings()
    file: Annotated[FileSettings | None, Meta(description="results as JSON lines, too")] = None
    sinks: Annotated[
        tuple[Annotated[PluggedSink, Meta(extra={"more": Extension(SINKS, SinkKind)})], ...],
        Meta(description="where results go, too: plug-ins, each with its `kind` (docs/plugins.md)"),
    ] = ()
    health: HealthSettings = HealthSettings()
    supervise: SuperviseSettings = SuperviseSettings()
    commands: CommandSettings = CommandSettings()
    pipelines: Annotated[
        dict[PipelineName, PipelineSettings], Meta(description="by name, as it stands in topics", min_length=1)
    ]

    def sha256(self) -> str:
        """A digest of what is configured: equal on devices that are configured alike."""
        return hashlib.sha256(msgspec.json.encode(self, enc_hook=str, order="deterministic")).hexdigest()


def sample() -> str:
    """A configuration to start from, with every key of what it uses explained."""
    base = config.parse(config.sample(Settings), Settings)
    return config.render(msgspec.structs.replace(base, mqtt=Broker(url="mqtt://broker.local")))


def find_config(path: Path | None) -> Path:
    """The file itself, or the first of CONFIG_PATHS that is there.

    Raises:
        UnavailableError: none is.
    """
    for candidate in [path] if path else CONFIG_PATHS:
        if candidate.is_file():
            return candidate
    looked = path or " or ".join(map(str, CONFIG_PATHS))
    raise UnavailableError(
        f"there is no configuration at {looked}; `edge-infer config sample > edge-infer.yaml` makes one"
    )


def load_settings(path: Path) -> Settings:
    """The settings in a file.

    Raises:
        ConfigError: with every problem and its place.
    """
    settings = config.load(path, Settings)
    pipelines = {name: _with_model(one, path.parent) for name, one in settings.pipelines.items()}
    return msgspec.structs.replace(settings, pipelines=pipelines)


def _with_model(pipeline: PipelineSettings, folder: Path) -> PipelineSettings:
    """The pipeline, its model called by name where the file in `folder` says that."""
    path = meant(pipeline.model.path, folder)
    return msgspec.structs.replace(pipeline, model=msgspec.structs.replace(pipeline.model, path=path))
