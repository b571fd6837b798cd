from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.analyse.fusion import LATE_NS, NS, Fusion
from edge_infer.analyse.fusion_settings import FusionSettings
from edge_infer.types import Event

WALL = 1_700_000_000.0


def message(
    at: float, phase: str, id_: str, label: str = "person", *, began: float | None = None, **more: Any
) -> Event:
    """A message of a moment (s) about what began then or before."""
    began = at if began is None else began
    kind = more.pop("kind", "object")
    return Event(
        id=id_,
        phase=phase,  # type: ignore[arg-type]
        kind=kind,
        label=label,
        captured_at=WALL + at,
        captured_ns=round(at * NS),
        started_at=WALL + began,
        duration_s=at - began,
        **more,
    )


class Device:
    """Tells a fusion what happens, and keeps what it says."""

    def __init__(self, **settings: Any) -> None:
        self.fusion = Fusion("intruder", FusionSettings(**settings))
        self.said: list[Event] = []

    def tell(self, pipeline: str, event: Event, now: float | None = None) -> list[str]:
        """Phases of what follows."""
        ns = event.captured_ns if now is None else round(now * NS)
        return self._keep(self.fusion(event, pipeline, ns))

    def at(self, now: float) -> list[str]:
        return self._keep(self.fusion.turn(round(now * NS)))

    def _keep(self, events: Iterable[Event]) -> list[str]:
        self.said += (kept := list(events))
        return [event.phase for event in kept]


PAIR: dict[str, Any] = {"all_of": ("yard/person", "mic/glass")}


def test_two_events_within_the_time_are_one() -> None:
    device = Device(**PAIR)
    assert device.tell("yard", message(1, "start", "p")) == []
    assert device.tell("mic", message(4, "start", "g", "glass")) == ["start"]
    assert device.tell("mic", message(5, "end", "g", "glass", began=4)) == []
    assert device.at(14.9) == []
    assert device.at(15.1) == ["end"]
    start, end = device.said
    assert start.id == end.id == f"{WALL + 4:.6f}-intruder-1"
    assert (start.kind, start.label, start.events) == ("fusion", "intruder", ("p", "g"))
    assert (start.captured_ns, start.started_at, start.duration_s) == (4 * NS, WALL + 4, 0.0)
    assert (end.reason, end.captured_ns, end.captured_at, end.duration_s) == ("gone", 15 * NS, WALL + 15, 11.0)


def test_what_is_too_far_apart_stays_apart() -> None:
    device = Device(**PAIR)
    device.tell("mic", message(1, "start", "g", "glass"))
    device.tell("mic", message(2, "end", "g", "glass", began=1))
    assert device.tell("yard", message(12.5, "start", "p")) == []
    assert device.tell("mic", message(13, "start", "h", "glass")) == ["start"]


def test_an_event_that_goes_on_for_long_counts_all_the_time() -> None:
    device = Device(**PAIR)
    device.tell("yard", message(0, "start", "p"))
    assert device.tell("mic", message(3600, "start", "g", "glass")) == ["start"]


@pytest.mark.parametrize(
    ("pipeline", "event"),
    [
        ("door", message(2, "start", "x", "glass")),
        ("mic", message(2, "start", "x", "speech")),
        ("mic", message(2, "start", "x", "glass", kind="zone", where="kitchen")),
    ],
    ids=["another pipeline", "another label", "in a place"],
)
def test_other_events_are_none_of_it(pipeline: str, event: Event) -> None:
    device = Device(**PAIR)
    device.tell("yard", message(1, "start", "p"))
    assert device.tell(pipeline, event) == []


PLACES: dict[str, dict[str, Any]] = {
    "yard/zone:gate/person": {"kind": "zone", "where": "gate"},
    "yard/line:fence/person": {"kind": "line", "where": "fence", "direction": "out"},
    "yard/line:fence:in/person": {"kind": "line", "where": "fence", "direction": "in"},
    "yard/zone:gate/*": {"kind": "zone", "where": "gate"},
    "yard/person": {},
    "yard/*": {"kind": "anomaly"},
}


@pytest.mark.parametrize("named", PLACES)
def test_a_reference_means_a_place_and_no_other(named: str) -> None:
    for event in PLACES.values():
        device = Device(any_of=(named,))
        meant = (
            event == PLACES[named]
            or (named == "yard/*" and not event)
            or (named in ("yard/zone:gate/person", "yard/zone:gate/*") and event.get("kind") == "zone")
        )
        meant |= named == "yard/line:fence/person" and event.get("kind") == "line"
        meant |= named == "yard/person" and event.get("kind") == "anomaly"  # of this label
        assert bool(device.tell("yard", message(1, "start", "e", **event))) == meant, (named, event)


def test_an_event_of_one_message_counts() -> None:
    device = Device(all_of=("yard/line:fence:in/person", "mic/glass"))
    crossing = {"kind": "line", "where": "fence", "direction": "in"}
    device.tell("yard", message(1, "end", "l", **crossing))
    assert device.tell("mic", message(5, "start", "g", "glass")) == ["start"]
    assert device.at(11.1) == ["end"]


def test_a_slow_pipeline_is_waited_for_and_time_is_that_of_capture() -> None:
    device = Device(**PAIR)
    device.tell("mic", message(2, "start", "g", "glass"))
    device.tell("mic", message(3, "end", "g", "glass", began=2))
    assert device.tell("yard", message(4, "start", "p", began=1), now=20) == ["start", "end"]  # 16 s late
    assert device.said[0].captured_ns == 2 * NS
    assert device.at(20.25) == []
    assert device.said[1].duration_s == 11.0


def test_what_comes_much_too_late_counts_no_more() -> None:
    device = Device(**PAIR)
    device.tell("mic", message(2, "start", "g", "glass"))
    device.tell("mic", message(3, "end", "g", "glass", began=2))
    late = 3 + 10 + LATE_NS / NS + 0.1
    device.at(late)
    assert device.tell("yard", message(2, "start", "p"), now=late) == []


def test_what_was_there_and_is_known_only_after_the_end_begins_anew_behind_it() -> None:
    device = Device(**PAIR)
    device.tell("yard", message(1, "start", "p"))
    device.tell("mic", message(2, "start", "g", "glass"))
    device.tell("mic", message(3, "end", "g", "glass", began=2))
    assert device.at(13.1) == ["end"]
    assert device.tell("mic", message(12, "update", "h", "glass", began=5), now=20) == ["start"]
    assert device.said[-1].started_at == pytest.approx(WALL + 13.0)


def test_an_end_that_arrives_before_its_start_ends_it() -> None:
    device = Device(any_of=("yard/person",), within_s=1.0)
    assert device.tell("yard", message(3, "end", "p", began=1)) == ["start"]
    assert device.tell("yard", message(1, "start", "p"), now=3) == []
    assert device.at(4.5) == ["end"]


def test_what_joins_is_an_update_and_each_event_is_named_once() -> None:
    device = Device(all_of=("yard/person",), any_of=("mic/glass", "mic/scream"))
    device.tell("yard", message(1, "start", "p"))
    assert device.tell("mic", message(2, "start", "g", "glass")) == ["start"]
    assert device.tell("mic", message(3, "start", "s", "scream")) == ["update"]
    assert device.tell("mic", message(4, "update", "s", "scream", began=3)) == []
    assert device.tell("yard", message(5, "start", "q")) == ["update"]
    assert device.said[-1].events == ("p", "g", "s", "q")
    assert device.said[-1].duration_s == 3.0


def test_what_joins_is_told_with_the_time_at_which_it_began_however_late_it_arrives() -> None:
    device = Device(any_of=("yard/person", "mic/glass"))
    device.tell("yard", message(2, "start", "p"))
    assert device.tell("mic", message(6, "update", "g", "glass", began=5), now=9) == ["update"]
    assert (device.said[-1].captured_ns, device.said[-1].duration_s) == (5 * NS, 3.0)
    assert device.tell("mic", message(9, "update", "h", "glass", began=1), now=10) == ["update"]
    assert device.said[-1].events == ("p", "g", "h")
    assert device.said[-1].captured_ns == 5 * NS  # never back before what was told


def test_one_that_looked_no_more_long_before_is_not_the_reason() -> None:
    device = Device(any_of=("yard/person",), within_s=1.0)
    device.tell("yard", message(1, "start", "p"))
    device.tell("yard", message(2, "start", "q"))
    device.tell("yard", message(3, "end", "p", began=1, reason="lost"))
    device.tell("yard", message(9, "end", "q", began=2, reason="gone"))
    assert device.at(10.1) == ["end"]
    assert device.said[-1].reason == "gone"


def test_order_counts_where_it_is_asked_for() -> None:
    settings: dict[str, Any] = {"all_of": ("yard/person", "mic/glass"), "in_order": True}
    wrong = Device(**settings)
    wrong.tell("mic", message(1, "start", "g", "glass"))
    assert wrong.tell("yard", message(2, "start", "p")) == []
    assert wrong.tell("mic", message(3, "start", "h", "glass")) == ["start"]
    twice = Device(all_of=("yard/person", "yard/person"), in_order=True)
    assert twice.tell("yard", message(1, "start", "p")) == []
    assert twice.tell("yard", message(2, "start", "q")) == ["start"]


def test_what_must_not_be_is_waited_for() -> None:
    settings: dict[str, Any] = {"all_of": ("yard/person",), "none_of": ("door/owner",), "within_s": 5.0}
    alone = Device(**settings)
    assert alone.tell("yard", message(10, "start", "p")) == []
    assert alone.at(14.9) == []
    assert alone.at(15.0) == ["start"]
    assert alone.said[0].captured_ns == 10 * NS
    owner = Device(**settings)
    owner.tell("yard", message(10, "start", "p"))
    owner.tell("door", message(13, "start", "o", "owner"))
    assert owner.at(30) == []
    owner.tell("door", message(31, "end", "o", "owner", began=13))
    assert owner.at(40.9) == []
    assert owner.at(41.1) == ["start"]  # the stranger is still there, 5 s after the owner went, and for 5 s
    assert owner.said[0].started_at == pytest.approx(WALL + 36.0)
    before = Device(**settings)
    before.tell("door", message(6, "end", "o", "owner", began=2))
    before.tell("yard", message(10, "start", "p"))
    before.tell("yard", message(10.5, "end", "p", began=10))
    assert before.at(16) == []


def test_what_must_not_have_been_is_not_forgotten_before_what_it_rules_out() -> None:
    device = Device(all_of=("yard/person",), none_of=("door/anna", "door/ben"), within_s=1.0)
    device.tell("door", message(2, "start", "a", "anna"))
    device.tell("yard", message(4, "start", "p"))
    device.tell("door", message(6, "start", "b", "ben"))
    device.tell("door", message(8, "end", "a", "anna", began=2))
    device.tell("yard", message(10, "end", "p", began=4))
    device.tell("door", message(12, "end", "b", "ben", began=6))
    forgotten = 8 + 1 + LATE_NS / NS  # Anna is, and Ben was not there yet when it would have begun
    for quarter in range(1, 16):
        assert device.at(forgotten + quarter / 4) == []


def test_what_must_not_be_ends_it_though_it_began_before_and_arrives_late() -> None:
    device = Device(all_of=("yard/person",), none_of=("door/owner",), within_s=1.0)
    device.tell("yard", message(5, "start", "p"))
    assert device.at(6.5) == ["start"]
    assert device.tell("door", message(3, "start", "o", "owner"), now=7) == ["end"]
    assert device.said[-1].duration_s == 0.0


def test_it_ends_when_what_must_not_be_comes() -> None:
    device = Device(all_of=("yard/person",), none_of=("door/owner",), within_s=2.0)
    device.tell("yard", message(1, "start", "p"))
    assert device.at(3.5) == ["start"]
    assert device.tell("door", message(9, "start", "o", "owner")) == ["end"]
    assert device.said[-1].duration_s == pytest.approx(8.0)


def test_a_hold_bridges_a_pause() -> None:
    device = Device(any_of=("mic/glass",), within_s=1.0, hold_s=5.0)
    device.tell("mic", message(1, "start", "g", "glass"))
    device.tell("mic", message(2, "end", "g", "glass", began=1))
    assert device.at(7.0) == []
    assert device.tell("mic", message(7.5, "start", "h", "glass")) == ["update"]
    device.tell("mic", message(8, "end", "h", "glass", began=7.5))
    assert device.at(14.1) == ["end"]
    assert device.said[-1].duration_s == 8.0


@pytest.mark.parametrize("reason", ["lost", "stopped"])
def test_a_camera_that_looks_no_more_is_the_reason(reason: str) -> None:
    device = Device(any_of=("yard/person",), within_s=1.0)
    device.tell("yard", message(1, "start", "p"))
    device.tell("yard", message(4, "end", "p", began=1, reason=reason), now=4.5)
    assert device.at(5.1) == ["end"]
    assert device.said[-1].reason == reason


def test_the_end_of_the_daemon_is_its_end() -> None:
    device = Device(any_of=("yard/person",))
    assert device.fusion.end("stopped", NS) == []
    device.tell("yard", message(1, "start", "p"))
    (end,) = device.fusion.end("stopped", 9 * NS)
    assert (end.phase, end.reason, end.duration_s) == ("end", "stopped", 8.0)


Span = tuple[int, int]
spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)), max_size=6).map(
    lambda pairs: [(start, start + length) for start, length in pairs]
)


def expected(first: Sequence[Span], second: Sequence[Span], within: int, until: int) -> list[Span]:
    """When both are there, half second by half second."""

    def there(parts: Sequence[Span], t: float) -> bool:
        return any(start <= t <= end + within for start, end in parts)

    both = {half for half in range(2 * until) if there(first, half / 2) and there(second, half / 2)}
    starts = sorted(half for half in both if half - 1 not in both)
    ends = sorted(half for half in both if half + 1 not in both)
    return [(start // 2, end // 2) for start, end in zip(starts, ends, strict=True)]


def told(first: Sequence[Span], second: Sequence[Span]) -> list[tuple[int, str, Event]]:
    """Messages about these, in the order in which they are captured, starts first."""
    messages = []
    for pipeline, label, parts in (("yard", "person", first), ("mic", "glass", second)):
        for number, (start, end) in enumerate(parts):
            id_ = f"{pipeline}-{number}"
            messages.append((start, pipeline, message(start, "start", id_, label)))
            messages.append((end, pipeline, message(end, "end", id_, label, began=start)))
    return sorted(messages, key=lambda one: (one[0], one[2].phase == "end"))


@given(spans, spans, st.integers(1, 5))
def test_it_lasts_while_all_of_it_is_there(first: list[Span], second: list[Span], within: int) -> None:
    device, messages = Device(**PAIR, within_s=float(within)), told(first, second)
    for t in range(60):
        for _, pipeline, event in [one for one in messages if one[0] == t]:
            device.tell(pipeline, event)
        device.at(t)
    starts = [round(event.captured_ns / NS) for event in device.said if event.phase == "start"]
    ends = [round(event.captured_ns / NS) for event in device.said if event.phase == "end"]
    assert list(zip(starts, ends, strict=True)) == expected(first, second, within, 60)


fusions = st.fixed_dictionaries(
    {
        "all_of": st.sampled_from([(), ("yard/person",), ("yard/person", "mic/glass")]),
        "any_of": st.sampled_from([("mic/*",), ("yard/*", "mic/*")]),
        "none_of": st.sampled_from([(), ("door/owner",)]),
        "within_s": st.integers(1, 5).map(float),
        "hold_s": st.integers(0, 4).map(float),
    }
)


@given(spans, spans, spans, fusions, st.data())
def test_what_it_says_does_not_depend_on_how_often_it_is_asked(
    first: list[Span], second: list[Span], third: list[Span], settings: dict[str, Any], data: st.DataObject
) -> None:
    often, seldom = Device(**settings), Device(**settings)
    owner = [("door", replace(event, label="owner", id=f"o{event.id}")) for _, _, event in told(third, [])]
    messages = [(pipeline, event) for _, pipeline, event in told(first, second)] + owner
    delays = data.draw(st.lists(st.integers(0, 20), min_size=len(messages), max_size=len(messages)))
    arriving = sorted(
        ((one[1].captured_ns / NS + delay, *one) for one, delay in zip(messages, delays, strict=True)),
        key=lambda one: one[0],
    )
    now = 0.0
    for at, pipeline, event in arriving:
        while now < at:
            often.at(now := min(at, now + 0.25))
        often.tell(pipeline, event, at)
        seldom.tell(pipeline, event, at)
    for later in range(100):
        often.at(now + later / 4)
    for device in (often, seldom):
        device.said += device.fusion.end("stopped", round((now + 25) * NS))
    assert seldom.said == often.said


@given(spans, spans, st.integers(1, 5), st.integers(0, 3), st.data())
def test_each_has_one_start_and_one_end_however_late_messages_come(
    first: list[Span], second: list[Span], within: int, hold: int, data: st.DataObject
) -> None:
    device = Device(**PAIR, within_s=float(within), hold_s=float(hold))
    messages = told(first, second)
    delays = data.draw(st.lists(st.integers(0, 20), min_size=len(messages), max_size=len(messages)))
    arriving = sorted(zip(messages, delays, strict=True), key=lambda one: one[0][0] + one[1])
    now = 0
    for (at, pipeline, event), delay in arriving:
        now = max(now, at + delay)
        device.tell(pipeline, event, now)
        device.at(now)
    for event in device.fusion.end("stopped", (now + 100) * NS):
        device.said.append(event)
    going: str | None = None
    ids: set[str] = set()
    for event in device.said:
        assert event.duration_s >= 0.0
        assert event.events
        if event.phase == "start":
            assert going is None
            assert event.id not in ids
            going = event.id
            ids.add(going)
        assert event.id == going
        going = None if event.phase == "end" else going
    assert going is None
