"""What may change while the daemon runs: by the command `set`, or in the configuration file."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import asdict, replace

from edge_infer.bundle.manifest import Decode
from edge_infer.config import from_options
from edge_infer.config.words import did_you_mean
from edge_infer.errors import UsageError
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.settings import Settings
from edge_infer.sources.settings import PiCameraSettings

DECODE = ("min_score", "max_results", "top_k", "iou", "allow", "deny")
WHOLE = ("max_frame_age_s", "snapshot_s")
LIVE = ("health", "supervise", "commands", "pipelines", "fusions")  # sections of the file
NAMES = (*DECODE, "fps", *WHOLE)


def tuned(settings: PipelineSettings, options: Mapping[str, object]) -> PipelineSettings:
    """The settings with these instead of theirs, checked as in a configuration.

    Raises:
        UsageError: a name that is not one of NAMES, or an impossible value.
    """
    for name in options:
        if name not in NAMES:
            hint = did_you_mean(name, NAMES) or f"there are {', '.join(NAMES)}"
            raise UsageError(f"`set` does not know '{name}', {hint}")
    if not options:
        raise UsageError(f"`set` needs at least one of {', '.join(NAMES)}")
    source = asdict(settings.source)
    if "fps" in options and "fps" not in source:
        raise UsageError(
            f"a source of kind {settings.source.__struct_config__.tag} has no fps: none of its frames is dropped"
        )
    parts = {
        "source": PiCameraSettings(),  # in its place: a plug-in's is of a class that PipelineSettings does not know
        "decode": from_options(Decode, asdict(settings.decode) | _of(options, DECODE), "`set`"),
    }
    return replace(
        from_options(PipelineSettings, asdict(settings) | parts | _of(options, WHOLE), "`set`"),
        source=from_options(type(settings.source), source | _of(options, ["fps"]), "`set`"),
    )


def values(settings: PipelineSettings, names: Mapping[str, object]) -> dict[str, object]:
    """What the settings say of these names."""
    places = {"fps": settings.source, **dict.fromkeys(DECODE, settings.decode)}
    return {name: getattr(places.get(name, settings), name) for name in names}


def live_part(now: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """The new settings, but as they are now where that needs a restart; and the keys that need one."""
    fixed = {name: getattr(now, name) for name in now.__struct_fields__ if name not in LIVE}
    return replace(new, **fixed), [
        key for name, value in fixed.items() for key in _changed(name, value, getattr(new, name))
    ]


def _changed(section: str, now: object, new: object) -> list[str]:
    if isinstance(now, Struct) and isinstance(new, type(now)):
        return [f"{section}.{name}" for name, value in asdict(now).items() if value != getattr(new, name)]
    return [section] if now != new else []


def _of(options: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    return {name: options[name] for name in names if name in options}
