"""The pipelines of one device, and what may be changed of them while they run."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from edge_infer.assigning import Assigned, Moved, assign
from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest import Decode
from edge_infer.config.words import did_you_mean
from edge_infer.departing import Departing
from edge_infer.errors import EdgeInferError, UsageError
from edge_infer.evidence import read_evidence
from edge_infer.gating import Gate, make_gate
from edge_infer.model import Model
from edge_infer.pipeline import PAUSED, Analysis, Pipeline
from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
from edge_infer.registry import load_model, make_source
from edge_infer.rehearsing import rehearse
from edge_infer.snapshots import Snapshots
from edge_infer.sources.pace import RateLimit
from edge_infer.starting import Starting
from edge_infer.tuning import tuned, values
from edge_infer.types import Event, Frame, Result
from edge_infer.wire.machine import MachineHealth

if TYPE_CHECKING:
    from edge_infer.keeping import InputRecording

log = logging.getLogger(__name__)

DRAIN_S = 2.0  # for frames that were taken already
Fingerprint: TypeAlias = frozenset[tuple[Path, int, int, int]]  # path, when it was written, size, inode
ALL = "all"  # in a command: every pipeline


class Pipelines:
    """Starts, changes and ends pipelines; for one thread.

    `publish` gets results, `publish_event` what happened, `publish_picture` JPEGs, each with the name of the pipeline,
    pictures with the id of the event that they show or "" too;
    those in `show` get each frame with its result, `keep` all that is needed to replay it, `starting` learns what the
    first result waited for. `settings` are those in force. What they leave open (`auto`) is decided for all at once, by
    what was measured into `state_dir`.

    Attributes:
        known: what was measured, as it was read last
        assigned: what each pipeline runs on
        moved: where models were moved to while they ran
        departing: how long they take beside what was measured
    """

    def __init__(
        self,
        settings: Mapping[str, PipelineSettings],
        publish: Callable[[Result, str], object],
        publish_picture: Callable[[bytes, str, str], object],
        publish_event: Callable[[Event, str], object],
        *,
        must_open: bool = False,
        show: Sequence[Callable[[str, Frame, Result], object]] = (),
        keep: "InputRecording | None" = None,
        starting: Starting | None = None,
        state_dir: Path | None = None,
    ) -> None:
        self.settings = dict(settings)
        self._state_dir = state_dir
        self.known = read_evidence(state_dir)
        self.assigned = assign(settings, self.known)
        self.moved: Moved | None = None
        self.departing = Departing()
        self._keep = keep
        self._starting = starting or Starting(())
        self._show = show
        self._ended_results = 0  # of pipelines that are no more
        self._publish = publish
        self._publish_picture = publish_picture
        self._publish_event = publish_event
        self._configured = dict(settings)  # without what `tune` changed
        self._paused: set[str] = set()  # of them, those that are there no more may come back
        self._snapshots: dict[str, Snapshots] = {}
        self._gates: dict[str, Gate | None] = {}
        self._files: dict[str, Fingerprint] = {}  # of models and labels, before they were loaded
        self._pipelines = {name: self._make(name, must_open=must_open) for name in settings}

    def _make(self, name: str, *, must_open: bool = False) -> Pipeline:
        assigned = self.assigned[name]
        settings = assigned.applied(self.settings[name])
        if assigned.because:
            numbers = {"device": assigned.device, "threads": assigned.threads, "workers": assigned.workers}
            log.info("threads and workers are chosen", extra={"pipeline": name, **numbers, "because": assigned.because})
        self._files[name] = fingerprint(settings)
        snapshots = Snapshots(lambda jpeg: self._publish_picture(jpeg, name, ""), settings.snapshot_s)
        self._snapshots[name] = snapshots

        def show(frame: Frame, result: Result) -> None:
            snapshots(frame, result)
            self._starting(name, frame, result)
            for each in self._show:
                each(name, frame, result)

        pipeline = Pipeline(
            name,
            self._starting.timed(name, "source", partial(make_source, self._configured[name].source, name)),
            self._starting.timed(name, "model", partial(load_model, settings)),
            self._publish if "results" in settings.publish else None,
            max_frame_age_s=settings.max_frame_age_s,
            max_still_s=settings.max_still_s,
            fps=getattr(settings.source, "fps", None),
            deadline_s=settings.model.deadline_s or 0.0,
            workers=assigned.workers,
            must_open=must_open,
            show=show,
            analysis=self._analysis(name, settings),
            publish_event=self._publish_event,
            hold_s=settings.happenings.hold_s if settings.happenings else 0.0,
        )
        if settings.source != self._configured[name].source:
            pipeline.intake.limit = RateLimit(getattr(settings.source, "fps", None))
        pipeline.intake.paused = name in self._paused
        pipeline.intake.gate = self._gates[name] = make_gate(settings.gates)
        return pipeline

    def _analysis(self, name: str, settings: PipelineSettings) -> Analysis | None:
        analysis = None
        if settings.happenings or settings.track:
            from edge_infer.analysing import make_analysis  # a tenth of all that the daemon imports

            analysis = make_analysis(settings, name, lambda jpeg, event: self._publish_picture(jpeg, name, event))
        if self._keep is None:
            return analysis
        return self._keep.of(name, lambda: self._used(name, settings), analysis)

    def _used(self, name: str, otherwise: PipelineSettings) -> PipelineSettings:
        """The settings in force, with numbers; of a pipeline that is no more what they were."""
        return self.assigned[name].applied(self.settings[name]) if name in self.settings else otherwise

    def __iter__(self) -> Iterator[Pipeline]:
        return iter(self._pipelines.values())

    def __len__(self) -> int:
        return len(self._pipelines)

    @property
    def results(self) -> int:
        """How many came from all, those that are no more too."""
        return self._ended_results + sum(pipeline.results for pipeline in self)

    def start(self) -> None:
        """Start all."""
        for pipeline in self:
            pipeline.start()

    def stop(self, names: Iterable[str] | None = None) -> None:
        """End these, or all: sources first, then what they have given."""
        ending = [self._pipelines[name] for name in (self._pipelines if names is None else names)]
        for pipeline in ending:
            pipeline.stop()
        deadline = time.monotonic() + DRAIN_S
        for pipeline in ending:
            if not pipeline.join(max(0.1, deadline - time.monotonic())):
                log.warning("a thread hangs and is left behind", extra={"pipeline": pipeline.name})
            pipeline.end_events("stopped")
            self._snapshots[pipeline.name].refuse("the pipeline has ended", all_of_them=True)

    def feel(self, machine: MachineHealth) -> None:
        """Let those that may look at fewer frames adapt to a new measurement of the machine."""
        for pipeline in self:
            if gate := self._gates[pipeline.name]:
                gate.feel(machine)
        self.departing.look(list(self), self.assigned, machine)

    def refuse_late_pictures(self) -> None:
        """Answer those that wait for a picture that does not come."""
        for pipeline in self:
            self._snapshots[pipeline.name].refuse(pipeline.trouble())

    def change(self, settings: Mapping[str, PipelineSettings]) -> dict[str, list[str]]:
        """Start what is new, end what is gone, start anew what is different, leave alone what is not; says which."""
        known = read_evidence(self._state_dir)
        assigned = assign(settings, known, self.moved)
        changes = self._plan(settings, assigned)
        self._end([*changes["ended"], *changes["restarted"]])
        self.settings, self._configured = dict(settings), dict(settings)
        self.known, self.assigned = known, assigned
        self._begin([*changes["restarted"], *changes["started"]])
        return changes

    def move(self, moved: Moved, assigned: Mapping[str, Assigned], models: Mapping[str, Sequence[Model]]) -> None:
        """Some go on with these models, one for each worker; who has another number of workers is started anew."""
        anew = [name for name, to in assigned.items() if to.workers != self.assigned[name].workers]
        self._end(anew)
        self.moved, self.assigned = moved, {**self.assigned, **assigned}
        for name, to in assigned.items():
            if name in anew:
                for model in models[name]:
                    model.close()
            else:
                self._pipelines[name].exchange_model(partial(load_model, to.applied(self.settings[name])), models[name])
        self._begin(anew)
        self.departing.forget(assigned)

    def _end(self, names: Collection[str]) -> None:
        self.stop(names)
        for name in names:
            self._ended_results += self._pipelines.pop(name).results
            del self._snapshots[name]

    def _begin(self, names: Iterable[str]) -> None:
        for name in names:
            self._pipelines[name] = self._make(name)
            self._pipelines[name].start()

    def rehearse(self, settings: Mapping[str, PipelineSettings]) -> None:
        """Try what `change` would start; from any thread.

        Raises:
            UnavailableError: with everything of it that cannot work.
        """
        changes = self._plan(settings, assign(settings, read_evidence(self._state_dir), self.moved))
        rehearse({name: settings[name] for name in (*changes["started"], *changes["restarted"])})

    def _plan(self, settings: Mapping[str, PipelineSettings], assigned: Mapping[str, Assigned]) -> dict[str, list[str]]:
        old = self.settings
        same = [
            name
            for name in settings
            if settings[name] == old.get(name)
            and fingerprint(old[name]) == self._files[name]
            and assigned[name].setting == self.assigned[name].setting
        ]
        return {
            "started": [name for name in settings if name not in old],
            "ended": [name for name in old if name not in settings],
            "restarted": [name for name in settings if name in old and name not in same],
            "unchanged": same,
        }

    def pause(self, name: str, *, paused: bool) -> list[str]:
        """Pause or resume one or ALL; returns those that are paused now."""
        for pipeline in self if name == ALL else [self._find(name)]:
            pipeline.intake.paused = paused
            (self._paused.add if paused else self._paused.discard)(pipeline.name)
        return sorted(pipeline.name for pipeline in self if pipeline.intake.paused)

    def tune(self, name: str, options: Mapping[str, object]) -> dict[str, dict[str, object]]:
        """Change thresholds and rates from the next frame on; returns old and new values.

        Raises:
            EdgeInferError: an option is unknown or impossible, or the model cannot be used so; nothing has changed.
        """
        pipeline = self._find(name)
        if pipeline.ended:
            raise UsageError(f"the pipeline {name} has ended")
        old = self.settings[name]
        new = tuned(old, options)
        fps, most = getattr(new.source, "fps", None), getattr(self._configured[name].source, "fps", None)
        if most is not None and (fps is None or fps > most):
            raise UsageError(f"the source of {name} was opened for {most:g} frames a second: reload for more")
        if new.decode != old.decode:
            pipeline.exchange_model(partial(load_model, self.assigned[name].applied(new)))
        if fps != getattr(old.source, "fps", None):
            pipeline.intake.limit = RateLimit(fps)
        pipeline.intake.max_age_s = new.max_frame_age_s
        self._snapshots[name].period_s = new.snapshot_s
        self.settings[name] = new
        return {"old": values(old, options), "new": values(new, options)}

    def picture(self, name: str) -> "Future[object]":
        """Publish the next picture of a pipeline; says then how large it is.

        Raises:
            UsageError: there will be none.
        """
        pipeline = self._find(name)
        if pipeline.ended or pipeline.intake.paused:
            raise UsageError(f"the pipeline {name} {'has ended' if pipeline.ended else f'is {PAUSED}'}: no frame comes")
        return self._snapshots[name].ask()

    def _find(self, name: str) -> Pipeline:
        if name not in self._pipelines:
            hint = did_you_mean(name, self._pipelines) or f"there are {', '.join(self._pipelines)}"
            raise UsageError(f"there is no pipeline '{name}', {hint}")
        return self._pipelines[name]


def fingerprint(settings: PipelineSettings) -> Fingerprint:
    """What tells whether files of the models were replaced; nothing where they cannot be read."""
    cascade = settings.cascade
    found = _files_of(settings.model, settings.decode)
    return found | _files_of(cascade.model, cascade.decode) if cascade else found


def _files_of(model: ModelSettings, decode: Decode) -> Fingerprint:
    found = set()
    with suppress(EdgeInferError, OSError):
        bundle = open_bundle(model.path)
        gallery = decode.gallery or bundle.decode.gallery  # last: it may be made later
        for path in filter(None, (*bundle.files, model.labels, gallery)):
            status = path.stat()
            found.add((path, status.st_mtime_ns, status.st_size, status.st_ino))
    return frozenset(found)
