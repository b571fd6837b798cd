import threading
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import until

from edge_infer.deliver.event_journal import EventJournal
from edge_infer.deliver.keeper import Keeper
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.open_events import OpenEvents
from edge_infer.types import Anomaly, Event
from edge_infer.wire.topics import Kind

START = Event(
    id="1.0-door-1",
    phase="start",
    kind="object",
    label="person",
    captured_at=1.0,
    captured_ns=5,
    started_at=1.0,
    duration_s=0.5,
    score=0.7,
    top_score=0.9,
    track_id=3,
    box=(1.0, 2.0, 3.0, 4.0),
    snapshot=True,
)
END = replace(START, phase="end", reason="gone")


def other(number: int) -> Event:
    return replace(START, id=f"1.0-door-{number}")


def left(path: Path) -> list[tuple[str, str]]:
    """What a start after a kill would end."""
    after = OpenEvents(path)
    found = [(pipeline, event.id) for pipeline, event in after.start()]
    after.close()
    return found


def test_what_had_begun_is_ended_by_the_next_start(tmp_path: Path) -> None:
    killed = OpenEvents(tmp_path / "state" / "open.json")
    assert killed.start() == []
    killed.begins(START, "door")
    again = OpenEvents(tmp_path / "state" / "open.json")
    ((pipeline, end),) = again.start()
    assert pipeline == "door"
    assert (end.id, end.phase, end.reason, end.frame, end.score) == (START.id, "end", "restarted", None, None)
    assert (end.label, end.top_score, end.started_at, end.duration_s) == ("person", 0.9, 1.0, 0.5)
    assert end.captured_at > 1e9
    assert end.captured_ns > START.captured_ns
    assert not end.snapshot
    again.ends(end, 1)
    again.close()
    killed.close()
    again.close()


def test_an_end_that_is_safe_is_forgotten_and_one_that_is_not_comes_again(tmp_path: Path) -> None:
    safe = {7}
    events = OpenEvents(tmp_path / "open.json", lambda seq: seq in safe)
    events.start()
    for number in (1, 2, 3):
        events.begins(other(number), "door")
    events.ends(replace(END, id="1.0-door-1"), 7)
    events.ends(replace(END, id="1.0-door-2"), 8)
    until(lambda: left(tmp_path / "open.json") == [("door", "1.0-door-2"), ("door", "1.0-door-3")])
    safe.add(8)
    events.close()
    assert left(tmp_path / "open.json") == [("door", "1.0-door-3")]


def test_what_a_second_model_says_stays_out_of_the_file(tmp_path: Path) -> None:
    killed = OpenEvents(tmp_path / "open.json")
    killed.start()
    killed.begins(replace(START, detail=Anomaly(3.0, 2.0)), "door")
    again = OpenEvents(tmp_path / "open.json")
    ((_, end),) = again.start()
    assert (end.id, end.box, end.detail) == (START.id, START.box, None)
    again.ends(end, 1)
    again.close()
    killed.close()


def test_what_an_older_version_has_left_is_ended(tmp_path: Path) -> None:
    old = msgspec.to_builtins(START)
    del old["detail"]
    (tmp_path / "open.json").write_bytes(msgspec.json.encode([("door", old)]))
    assert left(tmp_path / "open.json") == [("door", START.id)]


def test_a_zone_that_nobody_looked_at_is_empty_afterwards(tmp_path: Path) -> None:
    events = OpenEvents(tmp_path / "open.json")
    events.start()
    events.begins(replace(START, kind="zone", where="yard", counts={"person": 2, "suppressed": 1}), "door")
    events.close()
    ((_, end),) = (again := OpenEvents(tmp_path / "open.json")).start()
    again.close()
    assert (end.where, end.counts) == ("yard", {"person": 0})


@pytest.mark.parametrize("text", [b"", b"[1", b'{"a": 1}', b'[["door", {"id": 3}]]', b"\xff\xfe"])
def test_a_damaged_file_ends_nothing_and_is_written_anew(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "open.json").write_bytes(text)
    events = OpenEvents(tmp_path / "open.json")
    assert events.start() == []
    events.begins(START, "door")
    events.close()
    assert left(tmp_path / "open.json") == [("door", START.id)]


def test_a_disk_that_takes_nothing_is_told_and_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    events = OpenEvents(tmp_path / "file" / "open.json")
    events.start()
    events.begins(START, "door")
    until(lambda: events.trouble)
    assert "cannot keep the events that go on" in (events.trouble or "")
    events.begins(other(2), "door")
    events.ends(END, 1)
    events.close()


def test_of_a_disk_that_hangs_no_more_is_remembered_than_what_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    append = EventJournal.append
    monkeypatch.setattr(EventJournal, "append", lambda *args: answers.wait(20.0) and append(*args))
    monkeypatch.setattr("edge_infer.deliver.open_events.WAIT_S", 0.001)
    monkeypatch.setattr("edge_infer.deliver.open_events.MOST", 50)
    events = OpenEvents(tmp_path / "open.json")
    events.start()
    for number in range(150):
        events.begins(other(number), "door")
        events.ends(replace(END, id=other(number).id), number)
    assert events._lines is None
    answers.set()
    events.begins(other(999), "door")
    until(lambda: "999" in str(left(tmp_path / "open.json")))
    events.ends(replace(END, id=other(999).id), 999)
    events.close()
    assert left(tmp_path / "open.json") == []


def test_events_of_several_threads_are_all_kept(tmp_path: Path) -> None:
    events = OpenEvents(tmp_path / "open.json")
    events.start()
    threads = [threading.Thread(target=events.begins, args=(other(n), "door")) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20.0)
    assert len(left(tmp_path / "open.json")) == 20
    for number in range(20):
        events.ends(other(number), 1)
    events.close()
    assert left(tmp_path / "open.json") == []


def test_the_end_of_an_event_is_safe_once_it_is_on_the_disk_or_acknowledged(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, "porch", OutboxSettings())
    outbox = keeper.outbox
    sent, kept = (outbox.put(Kind.EVENT, "door", b"{}") for _ in range(2))
    assert [outbox.is_in_ram_only(seq) for seq in (sent, kept)] == [True, True]
    outbox.acknowledge(outbox.epoch, sent, sent)
    assert [outbox.is_in_ram_only(seq) for seq in (sent, kept)] == [False, True]
    keeper.close()
    assert not outbox.is_in_ram_only(kept)


@settings(max_examples=30)
@given(st.lists(st.booleans(), max_size=10))
def test_wherever_it_is_killed_nothing_lacks_its_end(
    tmp_path_factory: pytest.TempPathFactory, steps: list[bool]
) -> None:
    """What went out as a start, and whose end did not, is ended by the next start; a second end may come."""
    path = tmp_path_factory.mktemp("state") / "open.json"
    events = OpenEvents(path)
    events.start()
    going: list[str] = []
    for number, begins in enumerate(steps):
        if begins:
            events.begins(other(number), "door")
            going.append(other(number).id)
        elif going:
            events.ends(replace(END, id=going.pop(0)), number)
    assert set(going) <= {id_ for _, id_ in left(path)}
    events.close()
