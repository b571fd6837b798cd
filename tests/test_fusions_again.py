"""What fusions were told, and when, is kept, and gives the same again."""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import DEADLINE

from edge_infer.analyse.fusion_settings import FusionSettings
from edge_infer.analyse.fusions import Fusions
from edge_infer.errors import InputError
from edge_infer.fusing import Fusing, Occasion
from edge_infer.keeping import InputRecording
from edge_infer.tape.entries import tree
from edge_infer.tape.reader import RecordedFusions
from edge_infer.tools.replay_fusions import FusionReplay, ReplayedFusions
from edge_infer.tools.retold import Retold
from edge_infer.types import Event

WALL = 1_700_000_000.0
NS = 1_000_000_000
PAIR = {"intruder": FusionSettings(all_of=("yard/person", "mic/glass"), within_s=2.0)}


def message(at: float, phase: Any, id_: str, label: str, *, began: float, frame: int | None = 0) -> Event:
    """A message of a moment (s) about what began then or before."""
    ns = round(at * NS)
    return Event(id_, phase, "object", label, WALL + at, ns, WALL + began, duration_s=at - began, frame=frame)


class Told:
    """Tells fusions what happens, and when it arrives; keeps it all."""

    def __init__(self, folder: Path, settings: Mapping[str, FusionSettings] = PAIR) -> None:
        self.said: list[Event] = []
        self._fusions = Fusions(settings)
        self._recording = InputRecording(folder)
        self._folder = folder

    def __call__(self, at: float, pipeline: str, event: Event) -> None:
        before, ns = self._fusions.settings, round(at * NS)
        self._keep(Occasion(before, ns, self._fusions(event, pipeline, ns), event, pipeline))

    def turn(self, at: float) -> None:
        ns = round(at * NS)
        if happened := self._fusions.turn(ns):
            self._keep(Occasion(self._fusions.settings, ns, happened))

    def change(self, at: float, settings: Mapping[str, FusionSettings]) -> None:
        before, ns = self._fusions.settings, round(at * NS)
        self._keep(Occasion(before, ns, self._fusions.change(settings, ns), changed=settings))

    def _keep(self, occasion: Occasion) -> None:
        self.said += occasion.said
        self._recording.fusions(occasion)

    def again(self, retold: Retold | None = None) -> tuple[ReplayedFusions, list[Event]]:
        self._recording.close()
        now: list[Event] = []
        tape = RecordedFusions(self._folder)
        found = FusionReplay(tape, retold or Retold(["yard", "mic"]), None, lambda _, event: now.append(event)).run()
        return found, now

    @property
    def run(self) -> str:
        """The name of the run, after it."""
        self._recording.close()
        tape = RecordedFusions(self._folder)
        return next(iter(tape.beginnings.values())).run


def two_visits(told: Told) -> None:
    told(1.1, "yard", message(1, "start", "p", "person", began=1))
    told(3.1, "mic", message(3, "start", "g", "glass", began=3, frame=5))
    told(4.1, "mic", message(4, "end", "g", "glass", began=3, frame=6))
    told.turn(6.3)
    told(9.1, "mic", message(9, "start", "h", "glass", began=9, frame=7))
    told(9.5, "yard", message(9, "end", "p", "person", began=1, frame=None))
    told.change(20.0, {})


def test_what_time_has_brought_is_the_same_again_and_ends_too(tmp_path: Path) -> None:
    told = Told(tmp_path)
    two_visits(told)
    found, now = told.again()
    assert now == told.said
    assert [event.phase for event in now] == ["start", "end"] * 2
    (said,) = found.fusions
    assert (said.events, said.identical, found.damaged, found.notes) == (4, True, [], [])


def test_a_reload_is_replayed_and_what_it_left_alone_goes_on(tmp_path: Path) -> None:
    noise = FusionSettings(any_of=("mic/*",))
    told = Told(tmp_path, {**PAIR, "noise": noise})
    told(1.0, "yard", message(1, "start", "p", "person", began=1))
    told(2.0, "mic", message(2, "start", "g", "glass", began=2))
    told.change(3.0, {"intruder": FusionSettings(all_of=("yard/person",)), "noise": noise})
    told(4.0, "yard", message(4, "start", "q", "person", began=4))
    told.change(5.0, {})
    found, now = told.again()
    assert sorted(now, key=lambda event: event.label) == sorted(told.said, key=lambda event: event.label)
    assert [(one.fusion, one.events, one.identical) for one in found.fusions] == [
        ("intruder", 4, True),
        ("noise", 2, True),
    ]


def test_an_event_that_is_told_now_and_was_not_then_counts_from_when_it_was_captured(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told(1.1, "yard", message(1, "start", "p", "person", began=1))
    told.change(9.0, {})
    retold = Retold(["yard", "mic"])
    retold.add(told.run, "mic", [], [message(3, "start", "g", "glass", began=3)])
    found, now = told.again(retold)
    assert [(event.phase, event.captured_ns) for event in now] == [("start", 3 * NS), ("end", 9 * NS)]
    assert (found.fusions[0].events, found.fusions[0].different) == (0, 2)
    assert found.fusions[0].first == f"start of {now[0].id}, told: nothing then, an event now"


def test_events_of_a_frame_take_the_places_of_those_it_brought_then(tmp_path: Path) -> None:
    told = Told(tmp_path, {"noise": FusionSettings(any_of=("mic/*",), within_s=0.5)})
    first, second = (message(1, "start", name, "glass", began=1) for name in "ab")
    told(1.2, "mic", first)
    told(1.2, "mic", second)
    told.change(5.0, {})
    retold = Retold(["mic"])
    more = [replace(first, id="x"), replace(second, id="y"), replace(second, id="z")]
    retold.add(told.run, "mic", tree([first, second]), more)
    _, now = told.again(retold)
    assert [event.events for event in now] == [("x",), ("x", "y"), ("x", "y", "z"), ("x", "y", "z")]
    none = Retold(["mic"])
    none.add(told.run, "mic", tree([first, second]), [])
    assert told.again(none)[1] == []


def test_another_run_of_the_daemon_has_fusions_of_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        told = Told(tmp_path)
        two_visits(told)
        told.again()
    found, now = told.again()
    assert now == told.said * 2
    assert (found.fusions[0].events, found.fusions[0].identical) == (8, True)


def test_settings_of_another_version_are_told(tmp_path: Path) -> None:
    recording = InputRecording(tmp_path)
    later: Any = {"intruder": {"any_of": ["mic/*"], "sometime": 3}}
    recording.fusions(Occasion(later, 1, [], message(1, "start", "p", "person", began=1), "yard"))
    recording.close()
    with pytest.raises(InputError, match=r"(?s)the fusion intruder: .*sometime"):
        FusionReplay(RecordedFusions(tmp_path), Retold(["yard"]), None, lambda *_: None).run()


def test_what_many_threads_have_told_is_the_same_again(tmp_path: Path) -> None:
    recording, said = InputRecording(tmp_path), list[Event]()
    pair = {"intruder": FusionSettings(all_of=("yard/person", "mic/glass"), within_s=0.01)}
    fusing = Fusing(pair, lambda event, _: said.append(event), recording.fusions)

    together = threading.Barrier(2)

    def tell(pipeline: str, label: str) -> None:
        for number in range(100):
            together.wait(DEADLINE)
            at = time.monotonic_ns() / NS
            for phase in ("start", "end"):
                fusing(message(at, phase, f"{label}-{number}", label, began=at), pipeline)
            fusing.turn()

    threads = [threading.Thread(target=tell, args=pair) for pair in (("yard", "person"), ("mic", "glass"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    fusing.end()
    recording.close()
    now: list[Event] = []
    found = FusionReplay(
        RecordedFusions(tmp_path), Retold(["yard", "mic"]), None, lambda _, event: now.append(event)
    ).run()
    assert now == said
    assert said
    assert found.fusions[0].identical


def test_without_fusions_nothing_is_kept_of_them(tmp_path: Path) -> None:
    occasions: list[Occasion] = []
    fusing = Fusing({}, lambda *_: None, occasions.append)
    fusing(message(1, "start", "p", "person", began=1), "yard")
    fusing.turn()
    fusing.change({})
    fusing.end()
    assert occasions == []


arrivals = st.lists(
    st.tuples(st.sampled_from(["yard", "mic"]), st.integers(0, 40), st.integers(0, 6), st.integers(0, 9)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=30)
@given(arrivals, st.integers(1, 4), st.integers(0, 3))
def test_whatever_comes_in_whatever_order_is_the_same_again(
    tmp_path_factory: pytest.TempPathFactory, arrivals: Iterable[tuple[str, int, int, int]], within: int, hold: int
) -> None:
    either = FusionSettings(any_of=("yard/*", "mic/*"), within_s=float(within), hold_s=float(hold))
    pair = FusionSettings(all_of=("yard/person", "mic/glass"), within_s=float(within))
    told = Told(tmp_path_factory.mktemp("r"), {"either": either, "pair": pair})
    messages = []
    for number, (pipeline, began, length, delay) in enumerate(arrivals):
        label = {"yard": "person", "mic": "glass"}[pipeline]
        for at, phase in ((began, "start"), (began + length, "end")):
            event = message(at, phase, f"{label}{number}", label, began=began, frame=number)
            messages.append((at + delay, pipeline, event))
    messages.sort(key=lambda one: one[0])
    for (at, pipeline, event), later in zip(messages, [*messages[1:], (99,)], strict=True):
        told(at, pipeline, event)
        told.turn((at + later[0]) / 2)
    told.change(100.0, {})
    found, now = told.again()
    assert all(one.identical for one in found.fusions)
    for name in ("either", "pair"):
        assert [event for event in now if event.label == name] == [event for event in told.said if event.label == name]
