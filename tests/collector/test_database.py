"""What arrives is stored once, in SQLite and in PostgreSQL alike."""

import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import psycopg
import pytest
from arriving import NOW, dump, gap, letter, presence, row, rows, select, seqs
from postgres import Postgres
from waiting import until

from edge_infer.collector.arrivals import Arrival, Conflict, Rows, Stored
from edge_infer.collector.database import SqlDatabase, open_database
from edge_infer.errors import InputError
from edge_infer.wire.topics import Kind


@pytest.fixture
def database(database_url: str) -> Iterator[SqlDatabase]:
    opened = open_database(database_url)
    yield opened
    opened.close()


def seconds(time: datetime | float | None) -> float | None:
    return time.timestamp() if isinstance(time, datetime) else time


def test_rows_are_stored_as_the_device_wrote_them(database: SqlDatabase) -> None:
    text = '{ "label": "Tür\\u0000\\t\\\\ \U0001f6aa" }'
    stored = database.store(
        [
            rows(1, rows=[row(1, payload=text.encode())]),
            rows(2, kind=Kind.EVENT, clock="unsynced", rows=[row(2, time=12.5)]),
            rows(3, 3, kind=Kind.HEALTH, pipeline="_health"),
        ],
        NOW,
    )
    assert stored == Stored(rows=3)
    found = select(
        database,
        "SELECT device, epoch, seq, kind, pipeline, time, mono_ns, clock, received_at, payload FROM records",
    )
    assert [(*r[:5], seconds(r[5]), *r[6:8], seconds(r[8]), r[9]) for r in sorted(found)] == [
        ("porch", 1, 1, 1, "door", 1_700_000_000.125, 125_000_000, "synced", NOW, text),
        ("porch", 1, 2, 2, "door", 12.5, 250_000_000, "unsynced", NOW, '{"seq": 2}'),
        ("porch", 1, 3, 0, "_health", 1_700_000_000.375, 375_000_000, "synced", NOW, '{"seq": 3}'),
    ]
    assert [view for view in ("health", "results", "events") if select(database, f"SELECT seq FROM {view}")] == [
        "health",
        "results",
        "events",
    ]


EVERYTHING: list[Arrival] = [
    presence(),
    rows(1, 3),
    rows(1, 3, device="yard"),
    rows(1, 2, boot="other"),
    gap(4, 9),
    presence(None, settled=True, oldest=(1, 3), last_seq=9),
    letter(),
    presence("online", boot="other"),
]


def test_the_same_arrivals_again_change_nothing(database: SqlDatabase) -> None:
    first = database.store(EVERYTHING, NOW)
    assert (first.rows, first.duplicates, first.dead_letters, len(first.conflicts)) == (6, 0, 2, 1)
    before = dump(database)
    before["devices"] = []  # when it was heard last
    for _ in range(2):
        assert database.store(EVERYTHING, NOW + 1) == Stored(duplicates=6)
        assert dump(database) | {"devices": []} == before


def test_arrivals_that_come_twice_in_one_transaction_are_stored_once(database: SqlDatabase) -> None:
    stored = database.store([rows(1, 5), rows(3, 8), letter(), letter(), gap(9, 9), gap(9, 9)], NOW)
    assert stored == Stored(rows=8, duplicates=3, dead_letters=1)
    assert seqs(database) == [1, 2, 3, 4, 5, 6, 7, 8]


REFUSED = {
    "a time that is no number": rows(4, rows=[row(4, time=math.nan)]),
    "a payload that is not UTF-8": rows(4, rows=[row(4, payload=b"\xff")]),
    "a number beyond 64 bits": rows(4, rows=[row(2**64)]),
    "a sequence number of 0": rows(0, 0),
    "an epoch beyond 64 bits": rows(4, 4, epoch=2**64),
    "a gap that ends before it begins": gap(9, 8),
}


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED)
def test_all_or_nothing_of_what_a_transaction_was_given(database: SqlDatabase, bad: Arrival) -> None:
    database.store([rows(1, 3)], NOW)
    before = dump(database)
    with pytest.raises(InputError, match="refuses a value"):
        database.store([rows(1, 3, epoch=7), letter(), presence(epoch=8), bad, rows(10, 12)], NOW)
    assert dump(database) == before
    assert database.store([rows(1, 3, epoch=7), rows(10, 12)], NOW).rows == 6


@pytest.mark.parametrize("seconds_since_1970", [math.inf, 1e300, math.nan])
def test_a_presence_of_an_absurd_time_is_refused(database: SqlDatabase, seconds_since_1970: float) -> None:
    before = dump(database)
    try:
        database.store([presence(time=seconds_since_1970)], NOW)
    except InputError:
        assert dump(database) == before
    else:
        assert seconds_since_1970 != math.nan
        assert len(dump(database)["devices"]) == 1


def test_a_second_boot_in_one_epoch_becomes_dead_letters_and_is_told_once(database: SqlDatabase) -> None:
    database.store([rows(1, 3, boot="first")], NOW)
    stored = database.store([rows(2, 4, boot="second"), rows(5, 6, boot="second"), rows(4, 4, boot="first")], NOW)
    conflict = Conflict("porch", 1, boot="second", first_boot="first")
    assert stored == Stored(rows=1, dead_letters=2, conflicts=[conflict])
    assert database.store([rows(7, 7, boot="second")], NOW) == Stored(dead_letters=1)
    assert database.store([rows(7, 7, boot="third")], NOW).conflicts == [Conflict("porch", 1, "third", "first")]
    assert seqs(database) == [1, 2, 3, 4]
    kept = select(database, "SELECT topic, device, reason, payload FROM dead_letters ORDER BY id")
    topic, device, reason, payload = next(k for k in kept if b'"first_seq":2' in k[3])
    assert (topic, device) == ("porch/results/door", "porch")
    assert "first" in reason
    assert "second" in reason
    assert json.loads(payload) == {
        "kind": "result",
        "pipeline": "door",
        "device": "porch",
        "epoch": 1,
        "boot": "second",
        "first_seq": 2,
        "clock": "synced",
        "results": [{"seq": 2}, {"seq": 3}, {"seq": 4}],
    }


def test_an_epoch_stays_with_its_boot_when_the_collector_starts_anew(database: SqlDatabase, database_url: str) -> None:
    database.store([rows(1, 3, boot="first")], NOW)
    database.close()
    second = open_database(database_url)
    assert second.store([rows(4, 6, boot="second")], NOW).conflicts == [Conflict("porch", 1, "second", "first")]
    assert second.store([rows(4, 6, boot="second", epoch=2)], NOW) == Stored(rows=3)
    second.close()


def test_a_clone_that_only_says_that_it_is_there_is_told_and_changes_nothing(database: SqlDatabase) -> None:
    database.store([presence(boot="first", last_seq=10)], NOW)
    before = dump(database)
    stored = database.store([presence("offline", boot="second", last_seq=5000, settled=True)], NOW)
    assert stored.conflicts == [Conflict("porch", 1, "second", "first")]
    assert dump(database) | {"conflicts": []} == before


def test_gaps_grow_and_never_shrink_and_come_from_any_boot(database: SqlDatabase) -> None:
    def known() -> list[tuple[Any, ...]]:
        return select(database, "SELECT epoch, first_seq, last_seq, reason FROM gaps ORDER BY epoch, first_seq")

    database.store([rows(1, 3), gap(4, 9), gap(20, None, "power", boot="later")], NOW)
    assert known() == [(1, 4, 9, "outbox full"), (1, 20, None, "power")]
    database.store([gap(4, 12, "age"), gap(20, 30)], NOW)
    assert known() == [(1, 4, 12, "age"), (1, 20, None, "power")]
    database.store([gap(4, 9), gap(4, None, "power"), gap(2, 2, epoch=9)], NOW)
    assert known() == [(1, 4, None, "power"), (1, 20, None, "power"), (9, 2, 2, "outbox full")]


PRESENCES = {
    "the later one of an epoch counts": (
        [presence("online"), presence("degraded", time=5.0)],
        ("degraded", 5.0, 1, "b1", None, None, None),
    ),
    "an older epoch changes nothing": (
        [presence(epoch=2, boot="b2", last_seq=7), presence("offline", last_seq=99, settled=True)],
        ("online", 1_700_000_000.0, 2, "b2", 7, None, None),
    ),
    "a health report tells how far it is, not the state": (
        [presence("online"), presence(None, time=6.0, last_seq=40, oldest=(1, 31), settled=True)],
        ("online", 1_700_000_000.0, 1, "b1", 40, 1, 31),
    ),
    "a status that does not tell how far it is leaves that": (
        [presence(None, last_seq=40, oldest=(1, 31), settled=True), presence("lost")],
        ("lost", 1_700_000_000.0, 1, "b1", 40, 1, 31),
    ),
    "who holds nothing speaks of the numbers made so far": (
        [presence("offline", last_seq=40, settled=True)],
        ("offline", 1_700_000_000.0, 1, "b1", 40, 1, 41),
    ),
    "who holds nothing and does not tell the last number speaks of its whole epoch": (
        [presence("offline", settled=True)],
        ("offline", 1_700_000_000.0, 1, "b1", None, 2, 0),
    ),
    "a new epoch has a last number of its own": (
        [presence("offline", last_seq=40, oldest=(1, 31), settled=True), presence(epoch=2, boot="b2")],
        ("online", 1_700_000_000.0, 2, "b2", None, 1, 31),
    ),
    "a health report may be the first news": (
        [presence(None, last_seq=3, oldest=(1, 2), settled=True)],
        (None, 1_700_000_000.0, 1, "b1", 3, 1, 2),
    ),
}


@pytest.mark.parametrize(("said", "known"), PRESENCES.values(), ids=PRESENCES)
@pytest.mark.parametrize("at_once", [True, False], ids=["in one transaction", "one by one"])
def test_presence(database: SqlDatabase, said: list[Arrival], known: tuple[Any, ...], at_once: bool) -> None:
    for arrivals in [said] if at_once else [[arrival] for arrival in said]:
        database.store([presence(device="yard"), *arrivals], NOW)
    [found] = select(
        database,
        "SELECT state, time, epoch, boot, last_seq, settled_epoch, settled_seq FROM devices WHERE device = 'porch'",
    )
    assert (found[0], seconds(found[1]), *found[2:]) == known


def true_times(database: SqlDatabase) -> dict[int, float | None]:
    return {seq: seconds(time) for seq, time in select(database, "SELECT seq, true_time FROM results ORDER BY seq")}


def unsynced(first: int, last: int) -> Rows:
    """By a clock that started in 1970."""
    return rows(first, clock="unsynced", rows=[row(seq, time=seq / 8) for seq in range(first, last + 1)])


def test_times_of_an_unset_clock_are_repaired_by_the_first_row_after_it_was_set(database: SqlDatabase) -> None:
    database.store([unsynced(1, 2), rows(1, 1, epoch=2)], NOW)
    assert true_times(database) == {1: 1_700_000_000.125, 2: None}  # epoch 2 has a number 1 as well
    database.store([rows(9, rows=[row(9, time=1_700_000_005.0)])], NOW)
    database.store([rows(4, 5)], NOW)  # an earlier one came later
    database.store([rows(6, rows=[row(6, time=1_700_000_009.0)])], NOW)
    database.store([unsynced(3, 3)], NOW)
    expected = {seq: 1_700_000_000.0 + seq / 8 for seq in (1, 2, 3, 4, 5)}
    assert true_times(database) == expected | {6: 1_700_000_009.0, 9: 1_700_000_005.0}
    [(time,)] = select(database, "SELECT time FROM records WHERE epoch = 1 AND seq = 2")
    assert seconds(time) == 0.25  # as it was said


def test_the_lowest_number_tells_the_clock_whichever_collector_stored_it(
    database: SqlDatabase, database_url: str
) -> None:
    database.store([unsynced(1, 1)], NOW)
    other = open_database(database_url)
    other.store([rows(4, 4)], NOW)
    other.close()
    database.store([rows(9, rows=[row(9, time=1_700_000_005.0)])], NOW)  # knows nothing of 4
    assert true_times(database)[1] == 1_700_000_000.125


def test_the_highest_number_that_a_device_told_of_is_kept(database: SqlDatabase) -> None:
    for last_seq in (3, 40, 30):
        database.store([presence(last_seq=last_seq)], NOW)
    assert select(database, "SELECT last_seq FROM epochs") == [(40,)]


def test_dead_letters_are_kept_whatever_they_hold(database: SqlDatabase) -> None:
    strange = letter(bytes(range(256)), topic="edge\0/\ud800", reason="\0", device="a\0b")
    assert database.store([strange, letter(b""), letter(b"", topic="another")], NOW).dead_letters == 3
    found = select(database, "SELECT device, payload FROM dead_letters WHERE device IS NOT NULL")
    assert found == [("a\N{REPLACEMENT CHARACTER}b", bytes(range(256)))]


def test_nothing_to_store_is_stored(database: SqlDatabase) -> None:
    assert database.store([], NOW) == Stored()
    assert database.store([rows(rows=[])], NOW) == Stored()


def test_a_table_that_is_split_by_time_serves_as_well(postgres: Postgres, postgres_url: str) -> None:
    """As TimescaleDB does it: the key must hold the time, and row addresses are unique within one part only."""
    name = postgres_url.rpartition("/")[2]
    database = open_database(postgres_url)
    postgres.sql(
        "ALTER TABLE records RENAME TO whole; DROP VIEW timeline CASCADE;"
        "CREATE TABLE records (LIKE whole, PRIMARY KEY (device, epoch, seq, time)) PARTITION BY RANGE (time);"
        "CREATE TABLE early PARTITION OF records FOR VALUES FROM (MINVALUE) TO ('2023-11-14 22:13:21Z');"
        "CREATE TABLE late PARTITION OF records FOR VALUES FROM ('2023-11-14 22:13:21Z') TO (MAXVALUE);",
        name,
    )
    database.store([rows(1, 7)], NOW)
    database.store([rows(8, 14)], NOW + 10)
    assert postgres.sql("SELECT count(*) FROM late", name) == "7"
    assert database.store([rows(1, 14)], NOW + 20) == Stored(duplicates=14)
    assert database.expire(NOW + 10) == 7
    assert seqs(database) == [8, 9, 10, 11, 12, 13, 14]
    database.close()


def test_collectors_that_store_the_same_rows_in_another_order_do_not_wait_for_each_other_in_a_circle(
    postgres: Postgres, postgres_url: str
) -> None:
    first, second = open_database(postgres_url), open_database(postgres_url)
    order = [rows(seq, seq) for seq in (1, 2, 3)]
    first.store([rows(9, 9)], NOW)

    def blocked(count: int) -> Callable[[], bool]:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return lambda: postgres.sql(waiting) == str(count)

    with ThreadPoolExecutor(2) as pool, psycopg.connect(postgres_url) as third:
        third.execute(
            "INSERT INTO records (device, epoch, seq, kind, pipeline, time, clock, received_at, payload) "
            "VALUES ('porch', 1, 2, 1, 'door', to_timestamp(%s), 'synced', now(), '{}')",
            (order[1].rows[0].time,),
        )
        stored = [pool.submit(first.store, order, NOW)]
        until(blocked(1), what="the first, waiting for the number 2")
        stored.append(pool.submit(second.store, order[::-1], NOW))
        until(blocked(2), what="the second, waiting")
        third.rollback()
    assert [done.result().rows for done in stored] == [3, 0]
    for database in (first, second):
        database.close()


def test_several_collectors_write_the_same_database(database_url: str) -> None:
    """Each is given the same envelopes in another order, as after a redelivery."""
    envelopes = [
        rows(first, first + 9, device=device, epoch=epoch)
        for device in ("porch", "yard", "gate")
        for epoch in (1, 2)
        for first in range(1, 200, 7)
    ]
    orders = [envelopes, envelopes[::-1], [*envelopes[50:], *envelopes[:50]], [*envelopes[1::2], *envelopes[::2]]]
    begin = Barrier(len(orders))

    def collect(order: list[Rows]) -> int:
        opened = open_database(database_url)
        begin.wait(20.0)
        stored = sum(
            opened.store([*order[i : i + 30], gap(1, 1 + i), presence(last_seq=i), letter()], NOW).rows
            for i in range(0, len(order), 30)
        )
        opened.close()
        return stored

    with ThreadPoolExecutor(len(orders)) as pool:
        stored = sum(pool.map(collect, orders))
    database = open_database(database_url)
    assert stored == 3 * 2 * 206
    assert len(seqs(database)) == 2 * 206
    assert select(database, "SELECT last_seq FROM epochs WHERE device = 'porch' AND epoch = 1") == [(150,)]
    database.close()
