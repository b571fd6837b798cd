"""Recorded fusions again, of the events that pipelines tell now: does the same come out?"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias

from edge_infer import __version__
from edge_infer.analyse.fusion_settings import FusionSettings, Reference
from edge_infer.analyse.fusions import Fusions
from edge_infer.config import from_options
from edge_infer.errors import InputError, UsageError
from edge_infer.settings import load_settings
from edge_infer.tape.entries import Told, Tree, event_of
from edge_infer.tape.reader import RecordedFusions
from edge_infer.tools.retold import Retold
from edge_infer.tools.sameness import Difference, differences
from edge_infer.types import Event

_Settings: TypeAlias = Mapping[str, FusionSettings]


@dataclass
class ReplayedFusion:
    """What came of one fusion.

    Attributes:
        events: that were recorded
        different: of them, or of those that there are now
        unsure: of them, where not all that fusions were told is recorded: they prove nothing
        first: the first difference
    """

    fusion: str
    events: int = 0
    different: int = 0
    unsure: int = 0
    first: str | None = None

    @property
    def identical(self) -> bool:
        """True where all that could be compared is the same."""
        return not self.different

    def compare(self, then: Sequence[Tree], now: Sequence[Event], *, is_whole: bool) -> None:
        """Message by message, of one run."""
        self.events += len(then)
        for one, other in zip_longest(then, now):
            if not (found := _differences(one, other)):
                continue
            if not is_whole:
                self.unsure += 1
                continue
            self.different += 1
            phase, id_ = (one["phase"], one["id"]) if one else (other.phase, other.id)
            more = f" (and {len(found) - 1} more fields)" if len(found) > 1 else ""
            self.first = self.first or f"{phase} of {id_}, {found[0]}{more}"


@dataclass
class ReplayedFusions:
    """What came of all; `damaged` is what cannot be read, in sentences, `notes` what is not as it was then."""

    fusions: list[ReplayedFusion] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class FusionReplay:
    """All fusions of a recording; `tell` gets the name of each with every event that there is now.

    They are told what `retold` has, each event when it arrived then, and a new one when it was captured; of pipelines
    that are not replayed, and of frames that are not recorded, what was told then.
    """

    def __init__(
        self, recorded: RecordedFusions, retold: Retold, config: Path | None, tell: Callable[[str, Event], object]
    ) -> None:
        """`config` has fusions that are used instead of those recorded."""
        self._recorded = recorded
        self._retold = retold
        self._instead = load_settings(config).fusions if config else None
        self._tell = tell
        self._said: dict[str, ReplayedFusion] = {}
        self._notes: dict[str, None] = {}

    def run(self) -> ReplayedFusions:
        """From the first run of the daemon to the last.

        Raises:
            InputError: the recording is of another version.
        """
        for places in self._recorded.lives:
            entries = list(self._recorded.entries(places))
            if entries:
                beginning = entries[0][0]
                if (then := beginning.software.get("edge_infer", "?")) != __version__:
                    self._notes[f"edge_infer: {then} then, {__version__} now"] = None
                settings = self._settings(beginning.settings)
                self._one_run(beginning.run, settings, [told for _, told in entries])
        return ReplayedFusions(
            [said for _, said in sorted(self._said.items())], self._recorded.damaged, list(self._notes)
        )

    def _one_run(self, run: str, settings: _Settings, entries: Sequence[Told]) -> None:
        then = [event for told in entries for event in told.said]
        now = self._again(run, settings, entries)
        is_whole = [told.place for told in entries] == list(range(len(entries)))
        for name, said in self._said.items():
            mine = [event for event in now if event.label == name]
            said.compare([event for event in then if event["label"] == name], mine, is_whole=is_whole)
            for event in mine:
                self._tell(name, event)

    def _again(self, run: str, settings: _Settings, entries: Sequence[Told]) -> list[Event]:
        """What the fusions of a run say now."""
        fusions, said, now_ns = Fusions(settings), list[Event](), 0
        new = deque(self._retold.new(run))
        in_place = _InPlace(run, self._retold, entries)
        for told in entries:
            while new and new[0][1].captured_ns <= told.now_ns:
                pipeline, event = new.popleft()
                now_ns = max(now_ns, event.captured_ns)
                said += fusions(event, pipeline, now_ns)
            now_ns = told.now_ns
            for event in in_place(told):
                said += fusions(event, told.pipeline, now_ns)
            if told.settings is not None:
                said += fusions.change(self._settings(told.settings) if told.settings else {}, now_ns)
        return said + fusions.turn(now_ns)

    def _settings(self, recorded: Mapping[str, Tree]) -> _Settings:
        """Those that are used; what becomes of them is noted where they name a pipeline that is replayed."""
        then = {name: _fusion(name, plain) for name, plain in recorded.items()}
        now = then if self._instead is None else self._instead
        for name, fusion in (*then.items(), *now.items()):
            named = {Reference.of(text).pipeline for text in (*fusion.all_of, *fusion.any_of, *fusion.none_of)}
            if not named.isdisjoint(self._retold.pipelines):
                self._said.setdefault(name, ReplayedFusion(name))
        return now


class _InPlace:
    """Which events are told now, when one was told then: as many for a frame as it has brought, in their order."""

    def __init__(self, run: str, retold: Retold, entries: Sequence[Told]) -> None:
        self._run = run
        self._retold = retold
        self._left = Counter(_frame(told) for told in entries if told.event)
        self._given: Counter[tuple[str, int, int | None]] = Counter()

    def __call__(self, told: Told) -> Sequence[Event]:
        if not told.event:
            return ()
        event, frame = event_of(told.event), _frame(told)
        now = self._retold.in_place_of(self._run, told.pipeline, event)
        if now is None:
            return [event]
        begin = self._given[frame]
        self._given[frame] += 1
        self._left[frame] -= 1
        return now[begin : begin + 1] if self._left[frame] else now[begin:]


def _frame(told: Told) -> tuple[str, int, int | None]:
    return told.pipeline, told.event["captured_ns"], told.event["frame"]


def _fusion(name: str, recorded: Tree) -> FusionSettings:
    try:
        return from_options(FusionSettings, recorded, "the recording")
    except UsageError as error:
        raise InputError(
            f"the fusion {name}: {error}: use the edge-infer that wrote it, or give your settings with --config"
        ) from error


def _differences(then: Tree, now: Event | None) -> list[Difference]:
    if then is None or now is None:
        return [Difference("told", "nothing" if then is None else "an event", "nothing" if now is None else "an event")]
    return list(differences(then, now))
