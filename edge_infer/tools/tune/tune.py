"""Measures the models of a configuration, or some alone, and says which setting is best for what."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace as changed

from edge_infer.bundle.bundle import open_bundle
from edge_infer.evidence import Evidence, evidence_key
from edge_infer.health.process import cores
from edge_infer.model import Model
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.plan.points import Point
from edge_infer.registry import load_model
from edge_infer.runtime.libraries import find_library
from edge_infer.tools.tune.candidates import Candidate, candidates
from edge_infer.tools.tune.measuring import Effort, measure
from edge_infer.tools.tune.others import Others
from edge_infer.tools.tune.shown import shown

OVERHEAD_S = 0.3  # of a turn beside what counts: loading and warming the model (measured on a PC)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that is measured, with its source where `has_source`."""

    name: str
    settings: PipelineSettings
    has_source: bool


@dataclass(frozen=True, slots=True)
class Tuned:
    """What is known of a subject.

    Attributes:
        evidence: by `evidence_key`: a bundle has a file for the CPU, and may have one for the Edge TPU
        is_new: it was measured now
        is_whole: nobody has stopped it
        left_out: settings that cannot be used, and why
    """

    name: str
    model: str
    evidence: Mapping[str, Evidence]
    is_new: bool = False
    is_whole: bool = True
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def points(self) -> list[Point]:
        """Of all files."""
        return [point for evidence in self.evidence.values() for point in evidence.points]


@dataclass(frozen=True, eq=False)
class Work:
    """What there is to do for a subject."""

    subject: Subject
    model: str
    candidates: tuple[Candidate, ...]
    keys: Mapping[Path, str]

    def seconds(self, effort: Effort) -> float:
        """About how long it takes; slow models up to four times as long."""
        return len(self.candidates) * effort.rounds * (effort.seconds + OVERHEAD_S)


def work_of(subject: Subject) -> Work:
    """What is to be tried for a subject.

    Raises:
        EdgeInferError: its model cannot be loaded.
    """
    with _probe(subject.settings) as model:
        remembers, name = model.engine.feed.remembers, str(model.id)
    found = tuple(candidates(subject.settings, cores(), remembers=remembers))
    library = str(find_library(subject.settings.model.runtime))
    return Work(subject, name, found, {one.file: evidence_key(one.file, library) for one in found})


def known_of(work: Work, known: Mapping[str, Evidence]) -> Tuned | None:
    """What was measured of all its files before; None where there is more to measure."""
    if not all(key in known for key in work.keys.values()):
        return None
    return Tuned(work.subject.name, work.model, {key: known[key] for key in work.keys.values()})


def unfinished(work: Work) -> Tuned:
    """What is known of a subject when it was stopped before its turn."""
    return Tuned(work.subject.name, work.model, {}, is_new=True, is_whole=False)


def tune(work: Work, effort: Effort, stop: threading.Event, progress: Callable[[], object]) -> Tuned:
    """Measure it; until `stop` is set.

    Raises:
        EdgeInferError: its model cannot be loaded.
    """
    subject = work.subject
    with _probe(subject.settings) as model, shown(subject.settings if subject.has_source else None, model) as frames:
        others = Others()
        found = measure(work.candidates, frames, effort, stop, progress)
        text, fps, others_cores = frames.text, frames.fps(), others.cores()
    points = found.points()
    now = time.time()
    evidence = {
        key: Evidence(
            model=work.model,
            model_bytes=file.stat().st_size,
            at=now,
            shown=text,
            source_fps=fps,
            others_cores=others_cores,
            points=tuple(point for candidate, point in points.items() if candidate.file == file),
        )
        for file, key in work.keys.items()
    }
    left_out = {str(candidate): why for candidate, why in found.left_out.items()}
    some = {key: one for key, one in evidence.items() if one.points}
    return Tuned(subject.name, work.model, some, is_new=True, is_whole=not stop.is_set(), left_out=left_out)


def of_models(paths: Sequence[Path], template: PipelineSettings) -> list[Subject]:
    """Models alone, each used as its file says."""
    return [
        Subject(str(path), changed(template, model=changed(template.model, path=path)), has_source=False)
        for path in paths
    ]


def of_pipelines(pipelines: Mapping[str, PipelineSettings]) -> Iterator[Subject]:
    """Each model once: what two pipelines share is measured with the source of the first; second ones alone."""
    seen = set()
    for name, settings in pipelines.items():
        if (key := _same(settings)) not in seen:
            seen.add(key)
            yield Subject(name, changed(settings, cascade=None), has_source=True)
    for name, settings in pipelines.items():
        if second := settings.cascade:
            alone = changed(settings, model=second.model, prepare=second.prepare, decode=second.decode, cascade=None)
            if (key := _same(alone)) not in seen:
                seen.add(key)
                yield Subject(f"{name}, second model", alone, has_source=False)


def _same(settings: PipelineSettings) -> tuple[object, ...]:
    model = settings.model
    return open_bundle(model.path).files, model.device, model.runtime, model.delegate


def _probe(settings: PipelineSettings) -> Model:
    return load_model(changed(settings, model=changed(settings.model, threads=1, workers=1)))
