"""What a configuration may say of one pipeline."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge_infer.analyse.gate_settings import GateSettings
from edge_infer.analyse.settings import EventSettings, LineSettings, ZoneSettings
from edge_infer.analyse.track_settings import TrackSettings
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.plan.points import Profile
from edge_infer.plugins import SOURCES, Extension
from edge_infer.runtime.delegate import DEVICE
from edge_infer.sources.settings import SourceSettings
from edge_infer.sources.source_kind import SourceKind
from edge_infer.wire.topics import NAME

PlaceName = Annotated[str, Meta(pattern=NAME)]


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
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | Literal["auto"],
        Meta(description="CPU threads for one inference; auto: see the pipeline's profile"),
    ] = "auto"
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=16)] | Literal["auto"],
        Meta(description="inferences at the same time, each with its own model; auto: see the pipeline's profile"),
    ] = "auto"
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


class CascadeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A second model, asked about the parts of a picture in which the first one sees objects (docs/cascades.md)."""

    model: Annotated[ModelSettings, Meta(description="the second model; `workers` are those of the first")]
    prepare: Prepare = Prepare()
    decode: Decode = Decode()
    labels: Annotated[
        tuple[str, ...], Meta(description="objects of the first model that it is asked about; none: all")
    ] = ()
    margin: Annotated[
        float, Meta(ge=0.0, le=2.0, description="what is shown around an object, as a part of its width and height")
    ] = 0.1
    min_size_px: Annotated[
        int, Meta(ge=1, description="objects whose box is narrower or lower are too small to be asked about")
    ] = 16
    max_crops: Annotated[int, Meta(ge=1, le=100, description="ask about so many objects of a frame, best first")] = 5
    every_s: Annotated[
        Annotated[float, Meta(gt=0.0)] | None,
        Meta(description="ask about an object that is still there only this often; null: in each frame"),
    ] = None

    def __post_init__(self) -> None:
        if self.model.workers not in (1, "auto"):
            raise ValueError("the second model has the workers of the first: set workers there only")


class PipelineSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source, one model, and what is done with its predictions."""

    source: Annotated[SourceSettings, Meta(extra={"more": Extension(SOURCES, SourceKind)})]
    model: ModelSettings
    profile: Annotated[
        Profile, Meta(description="what threads and workers are chosen for, where they are auto (docs/tuning.md)")
    ] = "latency"
    prepare: Prepare = Prepare()
    decode: Decode = Decode()
    gates: Annotated[GateSettings, Meta(description="frames that need not be looked at")] = GateSettings()
    cascade: Annotated[
        CascadeSettings | None, Meta(description="a second model that is asked about each object of the first")
    ] = None
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
    track: Annotated[
        TrackSettings | None,
        Meta(description="follow objects from frame to frame; {} is enough, and events, zones and lines do it anyway"),
    ] = None
    events: Annotated[
        EventSettings | None, Meta(description="tell what begins and ends, not only what frames show; {} is enough")
    ] = None
    zones: Annotated[
        dict[PlaceName, ZoneSettings], Meta(description="parts of the picture, by name: who is in them is an event")
    ] = {}
    lines: Annotated[
        dict[PlaceName, LineSettings], Meta(description="lines in the picture, by name: who crosses them is an event")
    ] = {}
    publish: Annotated[
        tuple[Literal["results", "events"], ...], Meta(min_length=1, description="what leaves the device")
    ] = ("results", "events")

    @property
    def happenings(self) -> EventSettings | None:
        """How events are found: zones and lines want it, too; None: they are not."""
        return self.events or (EventSettings() if self.zones or self.lines else None)

    @property
    def event_labels(self) -> set[str]:
        """The labels that events, zones and lines name."""
        named = [self.events, *self.zones.values(), *self.lines.values()]
        return {label for one in named if one for label in one.labels or ()}

    def __post_init__(self) -> None:
        if (self.zones or self.lines) and self.happenings and not self.happenings.track:
            raise ValueError("zones and lines are for objects that are followed: leave out events.track")
