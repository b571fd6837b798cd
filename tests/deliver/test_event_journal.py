"""The file of events that go on."""

import logging
import resource
import signal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.deliver import event_journal
from edge_infer.deliver.event_journal import EMPTY, Begun, EventJournal, Line
from edge_infer.types import Event


def begun(number: int) -> Begun:
    return "door", Event(str(number), "start", "object", "person", 1.0, 5, 1.0, counts={"person": number})


def ids(path: Path) -> list[str]:
    return [event.id for _, event in EventJournal(path).read()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "open.json"


def test_lines_follow_one_another_in_a_file_that_keeps_its_size(path: Path) -> None:
    journal = EventJournal(path)
    journal.write([begun(0)])
    before = path.stat()
    assert journal.append([[begun(1)], [begun(2)]])
    assert journal.append(["1", [begun(3)]])
    journal.close()
    after = path.stat()
    assert (after.st_size, after.st_ino) == (before.st_size, before.st_ino)
    read = [(pipeline, event.id, event.counts) for pipeline, event in EventJournal(path).read()]
    assert read == [("door", str(number), {"person": number}) for number in (0, 2, 3)]


def test_what_has_no_place_is_refused_and_written_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_journal, "ROOM_BYTES", 1000)
    journal = EventJournal(path)
    assert not journal.append([[begun(0)]]), "nothing was written yet"
    journal.write([])
    appended = 0
    while journal.append([[begun(appended)]]):
        appended += 1
    assert ids(path) == [str(number) for number in range(appended)]
    assert 2 <= appended <= 8
    journal.write([begun(appended)])
    assert ids(path) == [str(appended)]
    assert journal.append([[begun(100)]])
    journal.close()


def test_a_file_that_cannot_grow_takes_what_it_has_room_for(path: Path) -> None:
    """As on a full disk; the limit of a file's size is the next best thing, for one process."""
    journal = EventJournal(path)
    journal.write([])
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, limits[1]))
    try:
        assert journal.append([[begun(1)]])
        with pytest.raises(OSError, match="too large"):
            journal.write([begun(1)] * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert ids(path) == ["1"]
    journal.close()


steps = st.lists(st.integers(0, 5).map(lambda n: n - 2), max_size=12)  # below 0: one that has begun ends


@given(steps, st.integers(0, 5000))
def test_a_power_cut_in_the_middle_of_a_line_costs_that_line_alone(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], cut: int
) -> None:
    path = tmp_path_factory.mktemp("s") / "open.json"
    journal, lines = EventJournal(path), list[Line]()
    for number, step in enumerate(steps):
        lines.append([begun(number)] if step >= 0 else str(number + step))
    journal.write([])
    assert journal.append(lines)
    journal.close()
    content, place = path.read_bytes(), 3 + min(cut, sum(len(msgspec.json.encode(line)) + 1 for line in lines))
    path.write_bytes(content[:place].ljust(len(content), EMPTY))
    whole, end = dict[str, None](), 3
    for line in lines:
        end += len(msgspec.json.encode(line)) + 1
        if end - 1 > place:
            break
        if isinstance(line, str):
            whole.pop(line, None)
        else:
            whole[line[0][1].id] = None
    assert ids(path) == list(whole)


def test_damage_costs_its_lines_and_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = EventJournal(path)
    journal.write([])
    for number in range(3):
        assert journal.append([[begun(number)]])
    journal.close()
    path.write_bytes(path.read_bytes().replace(b'"1","phase"', b'"1";"phase"'))
    with caplog.at_level(logging.WARNING):
        assert ids(path) == ["0", "2"]
    assert [record.damaged for record in caplog.records] == [1]
