"""What a configuration file may say. These structs are the manual: `config sample` prints their descriptions."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edge_infer import config
from edge_infer.analyse.fusion_names import unknown_names
from edge_infer.analyse.fusion_settings import FusionSettings
from edge_infer.catalogue.places import meant
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.sink_kind import PluggedSink, SinkKind
from edge_infer.errors import UnavailableError
from edge_infer.mqtt.broker import Broker
from edge_infer.pipeline_settings import ModelSettings, PipelineSettings, PlaceName
from edge_infer.plugins import SINKS, Extension
from edge_infer.wire.topics import NAME

CONFIG_PATHS = (Path("edge-infer.yaml"), Path("/etc/edge-infer/config.yaml"))

PipelineName = Annotated[str, Meta(pattern=NAME, examples=["door"])]
CommandName = Literal["ping", "snapshot", "pause", "resume", "reload", "set", "restart"]


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
    fusions: Annotated[
        dict[PlaceName, FusionSettings],
        Meta(description="events made of events of several pipelines, by name, as it stands in topics"),
    ] = {}

    def __post_init__(self) -> None:
        if problems := unknown_names(self.fusions, self.pipelines):
            raise ValueError("; ".join(problems))

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
    """The pipeline, its models called by name where the file in `folder` says that."""
    cascade = pipeline.cascade
    if cascade:
        cascade = msgspec.structs.replace(cascade, model=_found(cascade.model, folder))
    return msgspec.structs.replace(pipeline, model=_found(pipeline.model, folder), cascade=cascade)


def _found(model: ModelSettings, folder: Path) -> ModelSettings:
    return msgspec.structs.replace(model, path=meant(model.path, folder))
