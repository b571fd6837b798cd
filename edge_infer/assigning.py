"""The pipelines of a configuration with numbers and devices in place of `auto`: who gets which cores and which TPU."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from msgspec.structs import replace as changed

from edge_infer.bundle.bundle import open_bundle
from edge_infer.errors import EdgeInferError
from edge_infer.evidence import Evidence
from edge_infer.health.process import cores
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.placing import Choice, choice, swap_ms
from edge_infer.plan.points import CPU, Point
from edge_infer.plan.shares import FEW_CORES, Setting, Wish, share_out
from edge_infer.registry import load_model
from edge_infer.runtime.delegate import EXTERNAL
from edge_infer.runtime.libraries import find_library
from edge_infer.sharing import Runs, runs, wish_of


@dataclass(frozen=True, slots=True)
class Assigned:
    """Where a pipeline's model runs, and with how many threads and workers.

    Attributes:
        point: what was measured of that; None: nothing
        because: why, where it was not configured so, and is more than the least; else empty
        swap_ms: until its parameters are back on its accelerator, where another model has run there
    """

    device: str
    threads: int
    workers: int
    point: Point | None = None
    because: str = ""
    swap_ms: float = 0.0

    @property
    def setting(self) -> tuple[str, int, int]:
        """What a pipeline would have to be started anew for."""
        return self.device, self.threads, self.workers

    def applied(self, settings: PipelineSettings) -> PipelineSettings:
        """The settings with these numbers; the second model of a cascade has the threads of the first, which waits."""
        model = changed(settings.model, device=self.device, threads=self.threads, workers=self.workers)
        cascade = settings.cascade
        if cascade and cascade.model.threads == "auto":
            cascade = changed(cascade, model=changed(cascade.model, threads=self.threads))
        return changed(settings, model=model, cascade=cascade)


@dataclass(frozen=True, slots=True)
class Moved:
    """Where models that are free run since they were moved; it holds as long as there is the same to choose."""

    choice: Choice
    device_of: Mapping[str, str]


def assign(
    pipelines: Mapping[str, PipelineSettings], known: Mapping[str, Evidence], moved: Moved | None = None
) -> dict[str, Assigned]:
    """Device, threads and workers of each pipeline, by what was measured, and where models were `moved` to since.

    One whose model cannot be read gets one thread and one worker: whoever loads it will say what is wrong.
    """
    placed = _placed(pipelines, known, moved)
    found: dict[str, Runs] = {}
    for name, one in placed.items():
        with suppress(EdgeInferError, OSError):
            if known or _is_open(one):
                library = find_library(one.model.runtime)
                found[name] = runs(open_bundle(one.model.path), one.model.device, library, known)
    shares = share_out({name: _wish(one, found.get(name)) for name, one in placed.items()}, cores())
    return {name: _assigned(one, shares[name], found.get(name)) for name, one in placed.items()}


def _placed(
    pipelines: Mapping[str, PipelineSettings], known: Mapping[str, Evidence], moved: Moved | None
) -> dict[str, PipelineSettings]:
    found = choice(pipelines, known) if known else None
    if found is None:
        return dict(pipelines)
    device_of = moved.device_of if moved and moved.choice == found else found.best().device_of
    return {
        name: changed(one, model=changed(one.model, device=device_of[name])) if name in found.free else one
        for name, one in pipelines.items()
    }


def _is_open(settings: PipelineSettings) -> bool:
    """Whether the size of the model, and what it runs on, decide anything: a start is not delayed for nothing."""
    if "auto" not in (settings.model.threads, settings.model.workers):
        return False
    return settings.profile == "throughput" or cores() > FEW_CORES


def _wish(settings: PipelineSettings, found: Runs | None) -> Wish:
    threads = None if settings.model.threads == "auto" else settings.model.threads
    workers = None if settings.model.workers == "auto" else settings.model.workers
    if found is None:
        return Wish(settings.profile, threads or 1, workers or 1)
    wish = wish_of(found, settings.profile, threads, workers)
    could_be_several = workers is None and settings.profile == "throughput" and max(cores(), wish.accelerators) > 1
    return replace(wish, remembers=could_be_several and _remembers(settings))


def _remembers(settings: PipelineSettings) -> bool:
    """Whether its answers depend on earlier frames: only a loaded model knows, and the CPU's is loaded soonest."""
    has_cpu = settings.model.device != EXTERNAL and open_bundle(settings.model.path).cpu is not None
    device = CPU if has_cpu else settings.model.device
    model = changed(settings.model, device=device, threads=1, workers=1)
    try:
        with load_model(changed(settings, model=model, cascade=None)) as loaded:
            return loaded.engine.feed.remembers
    except EdgeInferError:
        return False


def _assigned(settings: PipelineSettings, share: Setting, found: Runs | None) -> Assigned:
    points = found.measured(settings.profile) if found else []
    point = next((one for one in points if (one.threads, one.workers) == share), None)
    because = ""
    if "auto" in (settings.model.threads, settings.model.workers):
        if found and found.evidence and point:
            because = f"{settings.profile}, measured {age(found.evidence.at)} ago with {found.evidence.shown}"
        elif share != (1, 1):
            because = f"{settings.profile}, by rule: `edge-infer tune` would measure"
    swap = swap_ms(found.evidence, settings.model.device) if found and found.evidence and found.devices else 0.0
    return Assigned(settings.model.device, *share, point, because, swap)


def age(at: float) -> str:
    """How long ago (seconds since 1970), for people."""
    seconds = max(0.0, time.time() - at)
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
