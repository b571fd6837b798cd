"""Recorded inputs through the same models and the same analysis again: does the same come out?"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from tqdm import tqdm

from edge_infer.analysing import make_analysis
from edge_infer.answering import no_answer
from edge_infer.bundle.bundle import open_bundle
from edge_infer.config import from_options
from edge_infer.errors import DelegateError, EdgeInferError, InputError, ModelError, UnavailableError, UsageError
from edge_infer.model import Model
from edge_infer.pipeline import Analysis
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.provenance import machine, software
from edge_infer.registry import load_model
from edge_infer.settings import load_settings
from edge_infer.tape.entries import Beginning, Ended, Kept, Tree
from edge_infer.tape.reader import Recorded
from edge_infer.tools.retold import Retold
from edge_infer.tools.sameness import Difference, differences, of_result
from edge_infer.types import Event, Frame, Result

Told = Callable[[str, Result | Event], object]


@dataclass
class Replayed:
    """What came of one pipeline.

    Attributes:
        results: that were compared; those without an answer in time were not
        different: of them
        unsure: of them, after frames that are not recorded, by something that remembers: they prove nothing
        unanswered: got no answer in time then
        missing: frames between others that are not in the recording
        events: that were recorded
        first: the first difference, and of which frame
        damaged: what cannot be read, in sentences
        notes: what is not as it was then
    """

    pipeline: str
    results: int = 0
    different: int = 0
    unsure: int = 0
    unanswered: int = 0
    events: int = 0
    events_different: int = 0
    missing: int = 0
    first: str | None = None
    model_then: str = ""
    model_now: str = ""
    damaged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """True where all that could be compared is the same."""
        return not (self.different or self.events_different)

    def note(self, text: str) -> None:
        """Note this, once."""
        if text not in self.notes:
            self.notes.append(text)


@dataclass(frozen=True)
class Instead:
    """What is used in place of what was recorded."""

    model: Path | None = None
    config: Path | None = None
    device: str | None = None

    def of(self, pipeline: str, beginning: Beginning) -> PipelineSettings:
        """The settings for one pipeline.

        Raises:
            InputError: those that were recorded are of another version.
            UsageError: the configuration has no such pipeline.
        """
        settings = self._configured(pipeline) if self.config else _recorded(beginning)
        said = {"path": self.model, "device": self.device}
        changed = {name: value for name, value in said.items() if value is not None}
        return msgspec.structs.replace(settings, model=msgspec.structs.replace(settings.model, **changed))

    def _configured(self, pipeline: str) -> PipelineSettings:
        assert self.config is not None, "asked only then"  # noqa: S101
        pipelines = load_settings(self.config).pipelines
        if pipeline not in pipelines and len(pipelines) > 1:
            raise UsageError(f"{self.config} has no pipeline '{pipeline}'; it has {', '.join(pipelines)}")
        return pipelines.get(pipeline) or next(iter(pipelines.values()))


def _recorded(beginning: Beginning) -> PipelineSettings:
    """As it was recorded; where its frames came from does not matter any more."""
    try:
        return from_options(
            PipelineSettings, beginning.settings | {"source": {"kind": "replay", "uri": "."}}, "the recording"
        )
    except UsageError as error:
        written = beginning.software.get("edge_infer", "?")
        raise InputError(
            f"{error}: edge-infer {written} wrote it; use that one, or give your settings with --config"
        ) from error


class Replay:
    """One pipeline; `tell` gets its name with each result and event of now, `retold` the events that are sure."""

    def __init__(self, recorded: Recorded, instead: Instead, tell: Told, retold: Retold | None = None) -> None:
        self._recorded = recorded
        self._instead = instead
        self._tell = tell
        self._retold = retold
        self._said = Replayed(recorded.pipeline)
        self._beginning: Beginning | None = None
        self._settings: PipelineSettings | None = None
        self._model: Model | None = None
        self._analysis: Analysis | None = None
        self._place = 0  # of the next entry
        self._whole = True  # nothing was left out since the pipeline began

    def run(self) -> Replayed:
        """From the first frame to the last.

        Raises:
            UnavailableError: the model is not here, or nothing can be compared.
            ModelError: it cannot be used.
        """
        try:
            with tqdm(total=len(self._recorded), desc=self._recorded.pipeline, delay=2, disable=None, leave=False,
                      file=sys.stderr) as bar:  # fmt: skip
                for life in self._recorded.lives:
                    self._analysis, self._place, self._whole, is_new = None, 0, True, True
                    places = set()
                    for beginning, entry in self._recorded.entries(life):
                        self._prepare(beginning, is_new=is_new)
                        is_new = False
                        places.add(entry.place)
                        self._one(entry)
                        bar.update()
                    self._said.missing += max(places, default=-1) + 1 - len(places)
        finally:
            if self._model:
                self._model.close()
        self._said.damaged = self._recorded.damaged
        for name in self._recorded.cut_off:
            self._said.note(f"{name} ends within a frame, as a kill leaves it: that one is left out")
        if not self._said.results and not self._said.unanswered:
            damage = f": {self._said.damaged[0]}" if self._said.damaged else ""
            raise UnavailableError(f"no frame of {self._recorded.pipeline} can be read{damage}")
        return self._said

    def _prepare(self, beginning: Beginning, *, is_new: bool) -> None:
        """The model and the analysis for what follows."""
        if beginning is not self._beginning:
            self._beginning = beginning
            settings = self._instead.of(self._recorded.pipeline, beginning)
            if settings != self._settings:
                if self._model:
                    self._model.close()
                self._model, self._settings = self._load(settings, beginning), settings
            self._compare_ground(beginning)
        assert self._model is not None, "it was loaded"  # noqa: S101
        assert self._settings is not None, "they are known"  # noqa: S101
        if is_new:
            self._model.forget()
            self._analysis = make_analysis(self._settings, self._recorded.pipeline)

    def _load(self, settings: PipelineSettings, beginning: Beginning) -> Model:
        try:
            open_bundle(settings.model.path)
        except EdgeInferError as error:
            if self._instead.model or self._instead.config:
                raise
            raise UnavailableError(
                f"{self._recorded.pipeline} was recorded with {_model(beginning.model)}, which is not at "
                f"{settings.model.path} ({error}): give it with --model"
            ) from error
        return load_model(settings)

    def _compare_ground(self, beginning: Beginning) -> None:
        """Note what is not as it was then."""
        assert self._settings is not None, "they are known"  # noqa: S101
        present = {**software(self._settings.model.runtime), "machine": machine()["machine"]}
        for name, then in {**beginning.software, "machine": beginning.machine.get("machine", "")}.items():
            now = present.get(name, "none")
            if then != now:
                self._said.note(f"{name}: {then} then, {now} now")

    def _one(self, entry: Kept | Ended) -> None:
        self._whole &= entry.place == self._place
        self._place = entry.place + 1
        if isinstance(entry, Ended):
            ended = self._analysis.end(entry.reason) if self._analysis else ()
            self._compare_events(entry.events, ended, "the end")
            return
        frame = entry.frame()
        result = replace(self._answer(frame, entry.result), dropped=entry.result["dropped"])
        events: Sequence[Event] = ()
        if self._analysis:
            result, events = self._analysis(frame, result)
        self._tell(self._recorded.pipeline, result)
        self._compare(entry, result)
        self._compare_events(entry.events, events, f"frame {entry.number}")

    def _answer(self, frame: Frame, then: Tree) -> Result:
        assert self._model is not None, "it was loaded"  # noqa: S101
        if then["status"] == "timeout":
            return no_answer(self._model, frame, then["error"], "timeout")
        try:
            return self._model.predict(frame)
        except (InputError, ModelError, DelegateError) as error:
            return no_answer(self._model, frame, str(error))

    def _compare(self, entry: Kept, result: Result) -> None:
        said, then = self._said, entry.result
        said.model_then = said.model_then or _model(then["model"])
        said.model_now = said.model_now or f"{result.model} (sha256 {result.model.sha256[:12]})"
        if then["model"]["sha256"] != result.model.sha256:
            said.note(f"another model: {_model(then['model'])} then, {result.model} "
                      f"(sha256 {result.model.sha256[:12]}) now")  # fmt: skip
        if then["device"] != result.device:
            said.note(f"device: {then['device']} then, {result.device} now")
        if then["status"] == "timeout":
            said.unanswered += 1
            return
        said.results += 1
        self._count(of_result(then, result), f"frame {entry.number}", "different")

    def _compare_events(self, then: list[Tree], now: Sequence[Event], where: str) -> None:
        for event in now:
            self._tell(self._recorded.pipeline, event)
        if self._retold and self._beginning and self._whole:
            self._retold.add(self._beginning.run, self._recorded.pipeline, then, now)
        self._said.events += len(then)
        if len(then) != len(now):
            self._count([Difference("events", str(len(then)), str(len(now)))], where, "events_different")
        for one, other in zip(then, now, strict=False):
            self._count(list(differences(one, other, f"event {one['id']}")), where, "events_different")

    def _count(self, found: list[Difference], where: str, counter: str) -> None:
        if not found:
            return
        if not self._whole and self._remembers:
            self._said.unsure += 1
            return
        setattr(self._said, counter, getattr(self._said, counter) + 1)
        more = f" (and {len(found) - 1} more fields)" if len(found) > 1 else ""
        self._said.first = self._said.first or f"{where}, {found[0]}{more}"

    @property
    def _remembers(self) -> bool:
        """What it says about a frame depends on those before."""
        if self._analysis or (self._settings and self._settings.cascade):
            return True
        return self._model is not None and self._model.engine.feed.remembers


def _model(then: Tree) -> str:
    version = f"@{then['version']}" if then["version"] else ""
    return f"{then['name']}{version} (sha256 {then['sha256'][:12]})"
