"""From what a configuration says to the thing itself."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edge_infer import config, plugins
from edge_infer import settings as s
from edge_infer.deliver.apart import SinkApart
from edge_infer.deliver.sink_kind import PluggedSink, SinkKind
from edge_infer.errors import EdgeInferError, ModelError, SourceError, UnavailableError, UsageError
from edge_infer.model import Model, load
from edge_infer.sources.address import kind_of, mask
from edge_infer.sources.source import BaseSource
from edge_infer.sources.source_kind import PluggedSource, SourceKind

_KINDS: dict[str, type[s.SourceSettings]] = {
    "camera": s.CameraSettings,
    "picamera": s.PiCameraSettings,
    "stream": s.StreamSettings,
    "video": s.VideoSettings,
    "images": s.ImagesSettings,
    "still": s.StillSettings,
}


def open_source(address: str | int | Path, *, name: str = "", **options: Any) -> BaseSource:
    """A source from its address, for `with`, iteration, or `stream`.

    Args:
        address: 0, "/dev/video0", "picamera", "rtsp://host/path", "http://host/x.mjpg", "clip.mp4", "photos/", "*.jpg",
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


def source_settings(address: str | int | Path, kind: str | None = None, **options: Any) -> s.SourceSettings:
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
    elif kind == "stream":
        options["uri"] = str(address)
    elif kind != "picamera":
        options["uri"] = Path(address)  # type: ignore[arg-type]  # numbers are cameras
    unknown = sorted(set(options) - set(found.__struct_fields__))
    if unknown:
        known = ", ".join(name for name in found.__struct_fields__ if name != "uri")
        raise UsageError(f"a source of kind {kind} has no option {', '.join(unknown)}; it has {known}")
    return config.from_options(found, options, f"the source {mask(str(address))}")


def make_source(settings: s.SourceSettings, name: str = "") -> BaseSource:
    """The opened source; modules that need a camera library are loaded here."""
    match settings:
        case s.CameraSettings():
            from edge_infer.sources.capture import CameraSource

            return CameraSource(
                settings.uri,
                name=name,
                size=settings.size,
                fps=settings.fps,
                fourcc=settings.fourcc,
                max_fps=settings.fps,
            )
        case s.StreamSettings():
            from edge_infer.sources.capture import StreamSource

            return StreamSource(settings.uri, name=name, max_fps=settings.fps)
        case s.PiCameraSettings():
            from edge_infer.sources.picamera import PiCameraSource

            return PiCameraSource(settings.index, name=name or "picamera", size=settings.size, fps=settings.fps)
        case s.VideoSettings():
            from edge_infer.sources.video import VideoSource

            return VideoSource(settings.uri, name=name, loop=settings.loop, pace=settings.pace)
        case s.ImagesSettings():
            from edge_infer.sources.images import ImageSource

            return ImageSource(settings.uri, name=name)
        case s.StillSettings():
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
        case PluggedSource():
            return _open_plugged(settings, name)


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


def load_model(settings: s.PipelineSettings) -> Model:
    """The model of a pipeline."""
    model = settings.model
    loaded = load(
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
        prepare=settings.prepare,
        decode=settings.decode,
    )
    if loaded.recipe.state and model.workers > 1:
        loaded.close()
        raise ModelError(f"{model.path} remembers what it saw before: each frame goes to the same one, set workers: 1")
    return loaded
