"""Each number is one row or lies in one gap, and the audit tells where not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from arriving import NOW, dump, gap, letter, presence, row, rows, select, seqs
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_infer.collector.arrivals import Arrival, GapReport, Presence, Rows, Stored
from edge_infer.collector.audit import EpochAudit, GapAudit, audit, dead_letters
from edge_infer.collector.database import SqlDatabase, open_database


@pytest.fixture
def database(database_url: str) -> Iterator[SqlDatabase]:
    opened = open_database(database_url)
    yield opened
    opened.close()


def only(database: SqlDatabase) -> EpochAudit:
    [found] = audit(database)
    return found


def told(state: str | None = None, **said: Any) -> Presence:
    """A report of what the device still holds."""
    return presence(state, settled=True, **said)


CASES: dict[str, tuple[Sequence[Arrival], dict[str, Any]]] = {
    "an open tail does not hide what the device had called settled": (
        [rows(1, 5), rows(8, 9), told(oldest=(1, 9)), gap(1, None, "power", boot="later")],
        {"missing": ((6, 7),), "gaps": (GapAudit(1, None, "power", 0),), "is_proved": False},
    ),
    "all stored": (
        [rows(1, 5), rows(6, 9)],
        {"highest": 9, "rows": 9, "stored": ((1, 9),), "is_proved": True},
    ),
    "a hole that nobody explains": (
        [rows(1, 5), rows(8, 9)],
        {"stored": ((1, 5), (8, 9)), "missing": ((6, 7),), "awaited": (), "is_proved": False},
    ),
    "the beginning is missing": ([rows(3, 5)], {"missing": ((1, 2),)}),
    "a hole that is a gap": (
        [rows(1, 5), rows(8, 9), gap(6, 7)],
        {"gaps": (GapAudit(6, 7, "outbox full", 2),), "missing": (), "late": (), "is_proved": True},
    ),
    "a gap whose numbers came in part": (
        [rows(1, 5), rows(8, 9), gap(5, 8)],
        {"gaps": (GapAudit(5, 8, "outbox full", 2),), "late": ((5, 5), (8, 8)), "double": (), "is_proved": True},
    ),
    "a gap at the end tells the highest number": (
        [rows(1, 5), gap(8, 9)],
        {"highest": 9, "missing": ((6, 7),), "gaps": (GapAudit(8, 9, "outbox full", 2),)},
    ),
    "two gaps that overlap": (
        [rows(1, 5), rows(9, 9), gap(4, 7), gap(5, 9, "age")],
        {
            "gaps": (GapAudit(4, 7, "outbox full", 2), GapAudit(5, 9, "age", 3)),
            "double": ((6, 7),),
            "missing": (),
            "is_proved": False,
        },
    ),
    "gaps that overlap where rows are": (
        [rows(1, 9), gap(4, 7), gap(5, 9, "age")],
        {"double": (), "late": ((4, 9),), "is_proved": True},
    ),
    "an open gap covers what nothing else does": (
        [rows(1, 5), rows(9, 9), gap(7, 7), gap(3, None, "power", boot="later"), presence(last_seq=12)],
        {
            "highest": 12,
            "gaps": (GapAudit(3, None, "power", 5), GapAudit(7, 7, "outbox full", 1)),
            "missing": (),
            "double": (),
            "late": (),
            "is_proved": True,
        },
    ),
    "an open gap whose end nobody knows": (
        [rows(1, 5), gap(6, None, "power")],
        {"highest": 5, "gaps": (GapAudit(6, None, "power", 0),), "is_proved": True},
    ),
    "an open gap leaves what is before it": (
        [rows(1, 2), gap(6, None, "power")],
        {"highest": 5, "missing": ((3, 5),), "is_proved": False},
    ),
    "two open gaps": (
        [presence(last_seq=9), gap(3, None, "power"), gap(6, None, "power"), rows(1, 2)],
        {"gaps": (GapAudit(3, None, "power", 7), GapAudit(6, None, "power", 0)), "double": (), "is_proved": True},
    ),
    "only a gap": ([gap(1, 5)], {"boot": None, "highest": 5, "rows": 0, "stored": (), "is_proved": True}),
    "only what the device told": ([presence(last_seq=4)], {"boot": "b1", "highest": 4, "missing": ((1, 4),)}),
    "what the device still holds is awaited": (
        [rows(1, 2), rows(8, 9), told(oldest=(1, 5), last_seq=11)],
        {"missing": ((3, 4),), "awaited": ((5, 7), (10, 11)), "is_proved": False},
    ),
    "what lies behind the oldest that it holds is missing": (
        [rows(1, 2), rows(8, 9), told(oldest=(1, 8), last_seq=9)],
        {"missing": ((3, 7),), "awaited": ()},
    ),
    "a device that holds nothing awaits nothing": (
        [rows(1, 2), rows(5, 5), told("offline", last_seq=6)],
        {"missing": ((3, 4), (6, 6)), "awaited": ()},
    ),
    "what was made after the report is not missing yet": (
        [rows(1, 2), told(last_seq=2), rows(4, 4)],
        {"missing": (), "awaited": ((3, 3),)},
    ),
    "a device that holds nothing and does not tell its last number": (
        [rows(1, 2), told("offline"), rows(4, 4)],
        {"missing": ((3, 3),), "awaited": ()},
    ),
    "the reports of a clone do not count": (
        [rows(1, 2), presence(boot="other", last_seq=5000), rows(3, 9, boot="other")],
        {"highest": 2, "other_boots": ("other",), "dead_letters": 1, "is_proved": True},
    ),
    "dead letters are of the device": (
        [rows(1, 2), letter(device="porch"), letter(b"1", device="porch"), letter(b"2"), letter(b"3", device="yard")],
        {"dead_letters": 2, "is_proved": True},
    ),
}


@pytest.mark.parametrize(("arrivals", "expected"), CASES.values(), ids=CASES)
def test_audit_of_an_epoch(database: SqlDatabase, arrivals: Sequence[Arrival], expected: dict[str, Any]) -> None:
    database.store(arrivals, NOW)
    found = only(database)
    assert {name: getattr(found, name) for name in expected} == expected


def test_epochs_and_devices_are_told_apart(database: SqlDatabase) -> None:
    database.store(
        [
            rows(1, 3, epoch=1),
            rows(2, 3, epoch=2, boot="b2"),
            rows(3, 3, device="yard"),
            told(epoch=2, boot="b2", oldest=(2, 1), last_seq=3),
        ],
        NOW,
    )
    found = [(a.device, a.epoch, a.missing, a.awaited) for a in audit(database)]
    assert found == [("porch", 1, (), ()), ("porch", 2, (), ((1, 1),)), ("yard", 1, ((1, 2),), ())]
    assert audit(database, "yard") == [a for a in audit(database) if a.device == "yard"]
    assert audit(database, "nobody") == []


def test_holes_of_earlier_epochs_are_missing_once_the_device_is_past_them(database: SqlDatabase) -> None:
    database.store([rows(2, 3, epoch=1), rows(2, 3, epoch=2, boot="b2")], NOW)
    database.store([told(epoch=3, boot="b3", oldest=(2, 1), last_seq=0)], NOW)
    assert [(a.epoch, a.missing, a.awaited) for a in audit(database)] == [
        (1, ((1, 1),), ()),
        (2, (), ((1, 1),)),
        (3, (), ()),
    ]


def test_dead_letters_that_name_no_device_are_counted_as_well(database: SqlDatabase) -> None:
    database.store([letter(device="porch"), letter(b"2"), letter(b"3")], NOW)
    with database.snapshot() as transaction:
        assert dead_letters(transaction) == {"porch": 1, None: 2}


def test_a_number_that_is_stored_twice_is_told(postgres_url: str) -> None:
    """The key of PostgreSQL holds the time: a device whose copy differs would get by it."""
    database = open_database(postgres_url)
    database.store([rows(1, 5), rows(3, rows=[row(3, time=1.0), row(4, time=1.0)]), rows(9, rows=[row(9)])], NOW)
    found = only(database)
    assert (found.rows, found.stored, found.double) == (8, ((1, 5), (9, 9)), ((3, 4),))
    assert not found.is_proved
    database.close()


def test_the_audit_is_of_one_moment(database: SqlDatabase, database_url: str) -> None:
    database.store([rows(1, 3)], NOW)
    other = open_database(database_url)
    with database.snapshot() as transaction:
        transaction.read("SELECT count(*) FROM records")
        other.store([rows(4, 6)], NOW)
        assert transaction.read("SELECT count(*) FROM records") == [(3,)]
    assert only(database).rows == 6
    other.close()


def test_retention_deletes_rows_and_keeps_the_proof(database: SqlDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_infer.collector.retention.CHUNK", 7)
    early = [rows(1, 20), rows(26, 30), rows(36, 40), gap(21, 25), gap(3, 4), rows(1, 9, epoch=2, boot="b2"), letter()]
    database.store([*early, presence(last_seq=50)], NOW)
    database.store([rows(41, 45), rows(31, 33)], NOW + 10)
    before = audit(database)
    assert [a.missing for a in before] == [((34, 35), (46, 50)), ()]
    assert database.expire(NOW) == 0
    assert database.expire(NOW + 10) == 39
    assert seqs(database) == [31, 32, 33, 41, 42, 43, 44, 45]
    after = audit(database)
    assert [(a.rows, a.expired) for a in after] == [(8, 30), (0, 9)]
    assert [replace(a, rows=0, expired=0) for a in after] == [replace(a, rows=0, expired=0) for a in before]
    assert database.expire(NOW + 20) == 8
    assert select(database, "SELECT epoch, first_seq, last_seq FROM expired ORDER BY epoch, first_seq") == [
        (1, 1, 20),
        (1, 26, 33),
        (1, 36, 45),
        (2, 1, 9),
    ]
    assert [replace(a, rows=0, expired=0) for a in audit(database)] == [replace(a, rows=0, expired=0) for a in before]


def test_a_row_that_comes_again_after_it_was_deleted_is_counted_once(database: SqlDatabase) -> None:
    database.store([rows(1, 3)], NOW)
    database.expire(NOW + 1)
    assert database.store([rows(2, 3)], NOW + 2) == Stored(rows=2)
    found = only(database)
    assert (found.rows, found.expired, found.stored, found.double) == (2, 3, ((1, 3),), ())
    assert database.expire(NOW + 3) == 2
    assert len(dump(database)["expired"]) == 1


SPANS = st.tuples(st.integers(1, 25), st.integers(0, 8)).map(lambda span: (span[0], span[0] + span[1]))
ARRIVALS = st.one_of(
    SPANS.map(lambda span: rows(*span)),
    SPANS.map(lambda span: gap(*span)),
    st.integers(1, 25).map(lambda first: gap(first, None, "power")),
    st.tuples(st.integers(1, 30), st.integers(1, 40)).map(lambda said: told(oldest=(1, said[0]), last_seq=said[1])),
    st.integers(0, 40).map(lambda last: told(last_seq=last)),
)


def numbers(spans: Sequence[tuple[int, int]]) -> set[int]:
    return {number for first, last in spans for number in range(first, last + 1)}


def test_an_open_tail_does_not_hide_what_a_later_start_called_settled(database: SqlDatabase) -> None:
    later = told(epoch=2, boot="b2", oldest=(1, 8))
    database.store([rows(1, 5), rows(8, 9), later, gap(3, None, "power", boot="b2")], NOW)
    first, _ = audit(database)
    assert (first.epoch, first.missing) == (1, ((6, 7),))


def settled(arrivals: Sequence[Arrival]) -> int:
    """Up to where the device ever said that all is stored or in a gap."""
    said = [a.oldest[1] - 1 if a.oldest else a.last_seq or 0 for a in arrivals if isinstance(a, Presence)]
    return max(said, default=0)


@settings(max_examples=40)
@given(st.lists(ARRIVALS, min_size=1, max_size=12), st.integers(0, 12))
def test_every_number_is_told_of_exactly_once(arrivals: list[Arrival], expired: int) -> None:
    """Against sets of numbers, on SQLite."""
    with TemporaryDirectory() as folder:
        database = open_database(str(Path(folder) / "x.db"))
        for at, arrival in enumerate(arrivals):
            database.store([arrival], NOW + at)
        database.expire(NOW + expired)
        found = only(database)
        database.close()
    stored = {n for a in arrivals if isinstance(a, Rows) for n in range(a.first_seq, a.first_seq + len(a.rows))}
    declared: dict[int, int | None] = {}  # the widest of each first number
    for report in arrivals:
        for said in report.gaps if isinstance(report, GapReport) else ():
            known = declared.get(said.first, 0)
            declared[said.first] = None if known is None or said.last is None else max(known, said.last)
    closed = [numbers([(first, last)]) for first, last in declared.items() if last is not None]
    everything = set(range(1, found.highest + 1))
    tails = [first for first, last in declared.items() if last is None]
    gone = set[int]().union(*closed, *(set(range(max(first, settled(arrivals) + 1), 100)) for first in tails))
    assert numbers(found.stored) == stored
    assert numbers(found.late) == stored & set[int]().union(*closed)
    assert numbers(found.double) == {n for n in everything - stored if sum(n in one for one in closed) > 1}
    assert numbers(found.missing) | numbers(found.awaited) == everything - stored - gone
    assert not numbers(found.missing) & numbers(found.awaited)
    covered = sum(g.lost for g in found.gaps) - sum(sum(n in one for one in closed) - 1 for n in numbers(found.double))
    assert len(stored) + covered + len(numbers(found.missing)) + len(numbers(found.awaited)) == found.highest
