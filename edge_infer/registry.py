"""From what a configuration says to the thing itself."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edge_infer import config, plugins
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.cascading import cascade
from edge_infer.decode.decoder import class_ids_of
from edge_infer.deliver.apart import SinkApart
from edge_infer.deliver.sink_kind import PluggedSink, SinkKind
from edge_infer.errors import EdgeInferError, ModelError, SourceError, UnavailableError, UsageError
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.pipeline_settings import CascadeSettings, ModelSettings, PipelineSettings
from edge_infer.sources import settings as ss
from edge_infer.sources.address import kind_of, mask
from edge_infer.sources.audio_settings import MicrophoneSettings, PcmSettings, WavSettings
from edge_infer.sources.sensor_settings import IioSettings, SerialSettings, TableSettings, TopicSettings
from edge_infer.sources.source import BaseSource
from edge_infer.sources.source_kind import PluggedSource, SourceKind

_KINDS: dict[str, type[ss.SourceSettings]] = {
    "camera": ss.CameraSettings,
    "picamera": ss.PiCameraSettings,
    "stream": ss.StreamSettings,
    "video": ss.VideoSettings,
    "images": ss.ImagesSettings,
    "still": ss.StillSettings,
    "mic": MicrophoneSettings,
    "wav": WavSettings,
    "pcm": PcmSettings,
    "replay": ss.ReplaySettings,
    "iio": IioSettings,
    "serial": SerialSettings,
    "table": TableSettings,
    "mqtt": TopicSettings,
}


def open_source(address: str | int | Path, *, name: str = "", **options: Any) -> BaseSource:
    """A source from its address, for `with`, iteration, or `stream`.

    Args:
        address: 0, "/dev/video0", "picamera", "rtsp://host/path", "http://host/x.mjpg", "clip.mp4", "photos/", "*.jpg",
            "mic", "mic:NAME", "x.wav", "pcm:tcp://host:port", "x.csv", "iio:NAME", "/dev/ttyUSB0", "mqtt://host/topic",
            or "NAME:..." for a plug-in's source
        name: of the source in results; default: made from the address
        options: other fields of the source's settings, such as size or fps (docs/configuration.md)

    Raises:
        SourceError: the camera or stream is not there or does not answer.
        UnavailableError: there is no such file or folder.
        InputError: the address means nothing, or the file cannot be read.
        UsageError: an option that this kind of source does not have, or an impossible value.
    """
    return make_source(source_settings(address, **options), name)


def source_settings(address: str | int | Path, kind: str | None = None, **options: Any) -> ss.SourceSettings:
    """What a configuration would say about this address."""
    name, colon, rest = str(address).partition(":")
    if kind is None and colon and name in plugins.installed(plugins.SOURCES):
        kind, address = name, rest
    kind = kind or kind_of(str(address))
    found = _KINDS.get(kind) or _plugged(kind).settings
    if kind not in _KINDS:
        options |= {"uri": str(address)} if address and "uri" in found.__struct_fields__ else {}
    elif kind == "camera":
        text = str(address)
        options["uri"] = f"/dev/video{text}" if text.isdecimal() else text
    elif kind == "iio":
        options["uri"] = str(address).removeprefix("iio:")
    elif kind in ("stream", "serial", "mqtt"):
        options["uri"] = str(address)
    elif kind == "mic":
        options["device"] = str(address).partition(":")[2]
    elif kind == "pcm":
        options["uri"] = str(address).removeprefix("pcm:")
    elif kind != "picamera":
        options["uri"] = Path(address)  # type: ignore[arg-type]  # numbers are cameras
    unknown = sorted(set(options) - set(found.__struct_fields__))
    if unknown:
        known = ", ".join(name for name in found.__struct_fields__ if name != "uri")
        raise UsageError(f"a source of kind {kind} has no option {', '.join(unknown)}; it has {known}")
    return config.from_options(found, options, f"the source {mask(str(address))}")


def make_source(settings: ss.SourceSettings, name: str = "") -> BaseSource:
    """The opened source; modules that need a library are loaded when one of theirs is opened."""
    match settings:
        case MicrophoneSettings() | WavSettings() | PcmSettings():
            from edge_infer.sources.audio import open_audio

            return open_audio(settings, name)
        case IioSettings() | SerialSettings() | TableSettings() | TopicSettings():
            from edge_infer.sources.sensors import open_sensor

            return open_sensor(settings, name)
        case ss.ReplaySettings():
            from edge_infer.sources.replay import ReplaySource

            return ReplaySource(settings.uri, name=name, pipeline=settings.pipeline, pace=settings.pace)
        case PluggedSource():
            return _open_plugged(settings, name)
        case _:
            from edge_infer.sources.pictures import open_pictures

            return open_pictures(settings, name)


def _plugged(name: str) -> SourceKind:
    kind = plugins.find(plugins.SOURCES, name, SourceKind)
    if kind is None:
        raise UnavailableError(f"no package brings a source '{name}': install the one that does")
    return kind


def _open_plugged(settings: PluggedSource, name: str) -> BaseSource:
    tag = str(settings.__struct_config__.tag)
    kind = _plugged(tag)
    try:
        return kind.open(settings, name or tag)
    except EdgeInferError:
        raise
    except Exception as error:  # somebody else's code: anything may come
        raise SourceError(f"the source {name or tag} cannot be opened ({type(error).__name__}: {error})") from error


def make_sinks(settings: Sequence[PluggedSink]) -> list[SinkApart]:
    """The sinks of a configuration, each in a thread of its own; the second of a kind is called `kind-2`.

    Raises:
        UnavailableError: a plug-in cannot be loaded.
    """
    sinks: list[SinkApart] = []
    tags = [str(one.__struct_config__.tag) for one in settings]
    kinds = [plugins.find(plugins.SINKS, tag, SinkKind) for tag in tags]
    for number, (one, tag, kind) in enumerate(zip(settings, tags, kinds, strict=True)):
        if kind is None:
            raise UnavailableError(f"no package brings a sink '{tag}': install the one that does")
        nth = tags[:number].count(tag) + 1
        sinks.append(SinkApart(tag if nth == 1 else f"{tag}-{nth}", partial(kind.open, one)))
    return sinks


def load_model(settings: PipelineSettings) -> Model:
    """The model of a pipeline, with the one that follows it.

    Raises:
        EdgeInferError: one of them cannot be loaded, or they do not fit together.
    """
    model = settings.model
    loaded = _loaded(model, settings.prepare, settings.decode)
    try:
        if loaded.engine.feed.remembers and model.workers not in (1, "auto"):
            raise ModelError(
                f"{model.path} remembers what it saw before: each frame goes to the same one, set workers: 1"
            )
        _check_gates(settings, loaded)
        _check_labels(settings, loaded)
        if settings.cascade:
            _follow(loaded, settings.cascade)
    except BaseException:
        loaded.close()
        raise
    return loaded


def _loaded(model: ModelSettings, prepare: Prepare, decode: Decode) -> Model:
    return load(
        model.path,
        device=model.device,
        threads=model.threads,
        runtime=model.runtime,
        delegate=model.delegate,
        delegate_options=model.delegate_options,
        isolated=model.isolated,
        stand_in=model.stand_in,
        deadline_s=model.deadline_s,
        labels=model.labels,
        prepare=prepare,
        decode=decode,
    )


def _check_gates(settings: PipelineSettings, model: Model) -> None:
    if settings.gates.motion and model.wanted:
        raise ModelError(f"{settings.model.path} takes no pictures: gates.motion is for those, leave it out")
    if settings.gates.quiet and not (model.wanted and model.wanted.sound):
        raise ModelError(f"{settings.model.path} takes no sound: gates.quiet is for that, leave it out")


def _check_labels(settings: PipelineSettings, model: Model) -> None:
    """Of a label that the model does not have no event would ever tell."""
    known = model.recipe.labels
    if model.task in ("classify", "detect", "segment") and known and all(known):
        of_heads = {label for label in settings.event_labels if label.partition(": ")[2] in known}
        class_ids_of(known, settings.event_labels - of_heads)


def _follow(first: Model, settings: CascadeSettings) -> None:
    second = _loaded(settings.model, settings.prepare, settings.decode)
    try:
        cascade(
            first,
            second,
            labels=settings.labels,
            margin=settings.margin,
            min_size_px=settings.min_size_px,
            max_crops=settings.max_crops,
            every_s=settings.every_s,
        )
    except BaseException:
        second.close()
        raise
