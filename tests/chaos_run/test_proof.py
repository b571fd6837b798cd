"""The count at the end of a run of chaos: it finds each thing that can be wrong."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from chaos_run.proof import Accepted, Number, Proof, accepted, audit, prove

from edge_infer.collector.arrivals import GapReport, Row, Rows
from edge_infer.collector.database import open_database
from edge_infer.wire.payloads import Gap
from edge_infer.wire.topics import Kind

DEVICE = "device-1"


def line(seq: int, frame: int | None = None, time: float = 0.0) -> Accepted:
    return Accepted(epoch=1, seq=seq, frame=seq if frame is None else frame, committed=0, time=time)


def collected(folder: Path, rows: Sequence[int], gaps: Sequence[Gap] = ()) -> str:
    """A database with these rows, whose frame is their number, and these gaps."""
    path = str(folder / "collected.db")
    database = open_database(path)
    for seq in rows:
        row = Row(time=1.7e9, mono_ns=1, payload=b'{"frame":%d}' % seq)
        database.store([Rows(Kind.RESULT, DEVICE, 1, "ab", seq, "door", "synced", [row])], 1.7e9)
    database.store([GapReport(DEVICE, "ab", gaps)], 1.7e9)
    database.close()
    return path


def gap(first: int, last: int | None, reason: str = "power") -> Gap:
    return Gap(epoch=1, first=first, last=last, reason=reason)


def test_all_that_was_accepted_is_a_row(tmp_path: Path) -> None:
    proof = prove({DEVICE: [line(1), line(2)]}, collected(tmp_path, [1, 2]))
    assert proof.holds("strict")
    assert (proof.made, proof.rows, proof.missing, proof.unlogged) == (2, 2, [], 0)


def test_what_is_neither_a_row_nor_in_a_gap_is_missing(tmp_path: Path) -> None:
    proof = prove({DEVICE: [line(1), line(2), line(3)]}, collected(tmp_path, [1, 3]))
    assert proof.missing == [Number(DEVICE, 1, 2)]
    assert not proof.holds("relaxed")


@pytest.mark.parametrize("last", [None, 3])
def test_what_a_kill_cost_is_allowed_unless_each_result_was_written_at_once(tmp_path: Path, last: int | None) -> None:
    proof = prove({DEVICE: [line(1), line(2), line(3)]}, collected(tmp_path, [1], [gap(2, last)]))
    assert proof.given_up == {"power": 2}
    assert proof.holds("relaxed")
    assert not proof.holds("strict")


def test_what_was_made_long_before_a_kill_may_not_hide_in_its_gap(tmp_path: Path) -> None:
    log = [line(1), line(2, time=10.0), line(3, time=20.0), line(4, time=20.5)]
    proof = prove({DEVICE: log}, collected(tmp_path, [1, 3], [gap(1, None)]))
    assert proof.early == [Number(DEVICE, 1, 2)]
    assert proof.given_up == {"power": 2}
    assert not proof.holds("relaxed")


def test_what_was_given_up_for_another_reason_is_not_allowed(tmp_path: Path) -> None:
    proof = prove({DEVICE: [line(1), line(2)]}, collected(tmp_path, [1], [gap(2, 2, "outbox full")]))
    assert proof.given_up == {"outbox full": 1}
    assert not proof.holds("relaxed")


def test_a_number_that_was_used_twice_shows(tmp_path: Path) -> None:
    proof = prove({DEVICE: [line(1), line(2, frame=7)]}, collected(tmp_path, [1, 2]))
    assert proof.changed == [Number(DEVICE, 1, 2)]
    assert not proof.holds("relaxed")


def test_a_row_that_is_there_twice_shows(tmp_path: Path) -> None:
    database = collected(tmp_path, [1, 2])
    with closing(sqlite3.connect(database)) as rows:  # our own tables would refuse it
        rows.executescript(
            "CREATE TABLE copy AS SELECT * FROM records; DROP VIEW health; DROP VIEW events; DROP VIEW results;"
            "DROP VIEW timeline; DROP TABLE records; ALTER TABLE copy RENAME TO records;"
            "INSERT INTO records SELECT * FROM records WHERE seq = 2;"
        )
    proof = prove({DEVICE: [line(1), line(2)]}, database)
    assert proof.double == [Number(DEVICE, 1, 2)]
    assert not proof.holds("relaxed")


def test_a_row_that_the_device_could_not_write_down_any_more_is_counted_and_allowed(tmp_path: Path) -> None:
    proof = prove({DEVICE: [line(1)]}, collected(tmp_path, [1, 2]))
    assert proof == Proof(made=1, rows=2, unlogged=1)
    assert proof.holds("strict")


def test_a_line_that_a_kill_tore_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert accepted(log) == []
    log.write_text("1 1 55 0 12.5\n1 2 56 0 12")
    assert accepted(log) == [Accepted(1, 1, 55, 0, 12.5)]


def test_the_audit_of_the_collector_is_asked(tmp_path: Path) -> None:
    code, epochs = audit(collected(tmp_path, [1, 3], [gap(3, 4)]))
    assert code == 1
    assert [(epoch["device"], epoch["missing"]) for epoch in epochs] == [(DEVICE, [[2, 2]])]
