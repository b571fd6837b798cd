"""The pipelines of one device, and what may be changed of them while they run."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias

from edge_infer.bundle.bundle import open_bundle
from edge_infer.config.words import did_you_mean
from edge_infer.errors import DelegateError, EdgeInferError, UnavailableError, UsageError
from edge_infer.pipeline import PAUSED, Pipeline
from edge_infer.registry import load_model, make_source
from edge_infer.settings import ImagesSettings, PipelineSettings, StillSettings, VideoSettings
from edge_infer.snapshots import Snapshots
from edge_infer.sources.pace import RateLimit
from edge_infer.tuning import tuned, values
from edge_infer.types import Frame, Result

log = logging.getLogger(__name__)

DRAIN_S = 2.0  # for frames that were taken already
Fingerprint: TypeAlias = frozenset[tuple[Path, int, int, int]]  # path, when it was written, size, inode
ALL = "all"  # in a command: every pipeline


class Pipelines:
    """Starts, changes and ends pipelines; for one thread.

    `publish` gets results, `publish_picture` JPEGs, each with the name of the pipeline; those in `show` get each frame
    with its result. `settings` are those in force.
    """

    def __init__(
        self,
        settings: Mapping[str, PipelineSettings],
        publish: Callable[[Result, str], object],
        publish_picture: Callable[[bytes, str], object],
        *,
        must_open: bool = False,
        show: Sequence[Callable[[str, Frame, Result], object]] = (),
    ) -> None:
        self.settings = dict(settings)
        self._show = show
        self._ended_results = 0  # of pipelines that are no more
        self._publish = publish
        self._publish_picture = publish_picture
        self._configured = dict(settings)  # without what `tune` changed
        self._paused: set[str] = set()  # of them, those that are there no more may come back
        self._snapshots: dict[str, Snapshots] = {}
        self._files: dict[str, Fingerprint] = {}  # of models and labels, before they were loaded
        self._pipelines = {name: self._make(name, one, must_open=must_open) for name, one in settings.items()}

    def _make(self, name: str, settings: PipelineSettings, *, must_open: bool = False) -> Pipeline:
        self._files[name] = fingerprint(settings)
        snapshots = Snapshots(lambda jpeg: self._publish_picture(jpeg, name), settings.snapshot_s)
        self._snapshots[name] = snapshots

        def show(frame: Frame, result: Result) -> None:
            snapshots(frame, result)
            for each in self._show:
                each(name, frame, result)

        pipeline = Pipeline(
            name,
            partial(make_source, settings.source, name),
            partial(load_model, settings),
            self._publish,
            max_frame_age_s=settings.max_frame_age_s,
            max_still_s=settings.max_still_s,
            fps=getattr(settings.source, "fps", None),
            deadline_s=settings.model.deadline_s or 0.0,
            workers=settings.model.workers,
            must_open=must_open,
            show=show,
        )
        pipeline.intake.paused = name in self._paused
        return pipeline

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
            self._snapshots[pipeline.name].refuse("the pipeline has ended", all_of_them=True)

    def refuse_late_pictures(self) -> None:
        """Answer those that wait for a picture that does not come."""
        for pipeline in self:
            self._snapshots[pipeline.name].refuse(pipeline.trouble())

    def change(self, settings: Mapping[str, PipelineSettings]) -> dict[str, list[str]]:
        """Start what is new, end what is gone, start anew what is different, leave alone what is not; says which."""
        changes = self._plan(settings)
        self.stop([*changes["ended"], *changes["restarted"]])
        for name in (*changes["ended"], *changes["restarted"]):
            self._ended_results += self._pipelines.pop(name).results
            del self._snapshots[name]
        self.settings, self._configured = dict(settings), dict(settings)
        for name in (*changes["restarted"], *changes["started"]):
            self._pipelines[name] = self._make(name, settings[name])
            self._pipelines[name].start()
        return changes

    def rehearse(self, settings: Mapping[str, PipelineSettings]) -> None:
        """Try what `change` would start; from any thread.

        Raises:
            UnavailableError: with everything of it that cannot work.
        """
        changes = self._plan(settings)
        rehearse({name: settings[name] for name in (*changes["started"], *changes["restarted"])})

    def _plan(self, settings: Mapping[str, PipelineSettings]) -> dict[str, list[str]]:
        old = self.settings
        same = [
            name for name in settings if settings[name] == old.get(name) and fingerprint(old[name]) == self._files[name]
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
            pipeline.exchange_model(partial(load_model, new))
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
    """What tells whether files of the model were replaced; nothing where they cannot be read."""
    found = set()
    with suppress(EdgeInferError, OSError):
        bundle = open_bundle(settings.model.path)
        gallery = settings.decode.gallery or bundle.decode.gallery  # last: it may be made later
        for path in filter(None, (*bundle.files, settings.model.labels, gallery)):
            status = path.stat()
            found.add((path, status.st_mtime_ns, status.st_size, status.st_ino))
    return frozenset(found)


def rehearse(pipelines: Mapping[str, PipelineSettings]) -> None:
    """Load each model, and open each source that is a file.

    Cameras are not opened, and an accelerator may fail: they may be in use, and are tried again for ever anyway.

    Raises:
        UnavailableError: with everything that would end the daemon.
    """
    problems = []
    for name, settings in pipelines.items():
        try:
            with suppress(DelegateError):
                load_model(settings).close()
            if isinstance(settings.source, ImagesSettings | StillSettings | VideoSettings):
                make_source(settings.source, name).close()
        except EdgeInferError as error:
            problems.append(f"pipelines.{name}: {error}")
    if problems:
        raise UnavailableError("\n".join(problems))
