"""The accounts of the outbox: what waits, what is on its way, what was given up."""

import threading

import pytest

from edge_infer.deliver import outbox as module
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.outbox import Outbox
from edge_infer.deliver.records import ROW_OVERHEAD, Batch, Chunk
from edge_infer.wire.payloads import Gap
from edge_infer.wire.topics import Kind

PAYLOAD = b"x" * (100 - ROW_OVERHEAD)  # counts 100 bytes


def box(**limits: float) -> Outbox:
    return Outbox(epoch=1, boot="b", limits=OutboxSettings(**limits))  # type: ignore[arg-type]


def put(outbox: Outbox, count: int = 1, pipeline: str = "door", kind: Kind = Kind.RESULT) -> list[int]:
    return [outbox.put(kind, pipeline, PAYLOAD) for _ in range(count)]


def taken(outbox: Outbox, *, live: bool = False) -> list[tuple[int, int]]:
    """(first, last) of all batches that can be taken."""
    found = []
    while batch := outbox.take(live=live):
        found.append((batch.first, batch.last))
    return found


def take(outbox: Outbox, *, live: bool = False) -> Batch:
    batch = outbox.take(live=live)
    assert batch
    return batch


def balanced(outbox: Outbox) -> bool:
    c = outbox.counts
    return c.recovered + c.put == c.waiting + c.in_flight + c.acknowledged + c.evicted


def test_numbers_count_from_one_over_all_pipelines_and_kinds() -> None:
    outbox = box()
    numbers = [put(outbox, pipeline="a"), put(outbox, kind=Kind.EVENT), put(outbox, kind=Kind.HEALTH)]
    assert numbers == [[1], [2], [3]]


def test_a_batch_holds_consecutive_records_of_one_pipeline_and_clock() -> None:
    outbox = box()
    put(outbox, 3)
    put(outbox, 2, "yard")
    put(outbox, 1)
    outbox.put(Kind.RESULT, "door", PAYLOAD, "unsynced")
    assert taken(outbox) == [(1, 3), (4, 5), (6, 6), (7, 7)]


def test_events_go_first_and_health_last() -> None:
    outbox = box()
    put(outbox, 1, kind=Kind.HEALTH)
    put(outbox, 2)
    put(outbox, 1, kind=Kind.EVENT)
    put(outbox, 1)
    assert taken(outbox) == [(4, 4), (2, 3), (5, 5), (1, 1)]


def test_a_batch_is_limited_in_rows_and_bytes() -> None:
    outbox = box()
    put(outbox, module.MAX_BATCH_ROWS + 1)
    assert taken(outbox) == [(1, module.MAX_BATCH_ROWS), (module.MAX_BATCH_ROWS + 1, module.MAX_BATCH_ROWS + 1)]
    big = box()
    for _ in range(3):
        big.put(Kind.RESULT, "door", b"x" * (module.MAX_BATCH_BYTES // 2))
    assert taken(big) == [(1, 2), (3, 3)]


def test_what_was_made_since_the_connection_is_live_and_goes_apart_from_the_backlog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BACKLOG_ROWS", 1)
    outbox = box()
    put(outbox, 2)
    outbox.online(True)
    put(outbox, 2)
    assert taken(outbox, live=True) == [(3, 4)]
    assert taken(outbox) == [(1, 2)]
    put(outbox, 1)
    outbox.online(False)
    assert taken(outbox, live=True) == []
    assert taken(outbox) == [(5, 5)]


def test_what_waits_goes_first_and_in_order_while_it_is_little() -> None:
    outbox = box()
    put(outbox, 2)
    first = take(outbox)
    put(outbox, 2)
    outbox.release(1, first.first, first.last, attempt=1)
    outbox.online(True)
    put(outbox, 2)
    assert taken(outbox, live=True) == [(1, 4), (5, 6)]
    assert taken(outbox) == []


def test_what_was_released_waits_again_before_what_is_younger() -> None:
    outbox = box()
    put(outbox, 2)
    first = take(outbox)
    put(outbox, 200)
    outbox.release(1, first.first, first.last, attempt=3)
    again = take(outbox)
    assert (again.first, again.attempt) == (1, 3)
    assert outbox.counts.resent >= 2
    assert balanced(outbox)


def test_an_acknowledgement_may_cover_part_of_a_batch_or_many() -> None:
    outbox = box()
    put(outbox, 10)
    take(outbox)
    assert outbox.acknowledge(1, 4, 6) == 3
    outbox.release(1, 1, 10, attempt=1)
    assert taken(outbox) == [(1, 3), (7, 10)]
    assert outbox.acknowledge(1, 1, 10**12) == 7
    assert outbox.acknowledge(1, 1, 10) == 0
    assert outbox.acknowledge(2, 1, 10) == 0
    assert (outbox.counts.acknowledged, outbox.held_bytes, outbox.oldest) == (10, 0, None)
    assert balanced(outbox)


def test_a_full_outbox_gives_up_the_oldest_and_records_the_gap() -> None:
    outbox = box(max_bytes=10_000)
    put(outbox, 500)
    assert outbox.held_bytes <= 9000  # a tenth is kept for events
    gap = outbox.take_gaps()
    assert gap == (Gap(epoch=1, first=1, last=outbox.counts.evicted, reason="outbox full"),)
    assert outbox.oldest == (1, 1)  # the report is not safe yet
    outbox.acknowledge_gap(1, gap[0].first)
    assert outbox.oldest == (1, outbox.counts.evicted + 1)
    assert balanced(outbox)


def test_the_number_of_rows_is_limited_too() -> None:
    outbox = box(max_rows=100)
    put(outbox, 500)
    assert outbox.counts.waiting <= 90
    put(outbox, 30, kind=Kind.EVENT)
    assert outbox.counts.waiting <= 100
    assert balanced(outbox)


def test_the_least_important_is_given_up_first() -> None:
    outbox = box(max_bytes=10_000)
    put(outbox, 1, kind=Kind.EVENT)
    put(outbox, 5, kind=Kind.HEALTH)
    put(outbox, 89)
    gaps = outbox.take_gaps()
    assert [(gap.first, gap.last) for gap in gaps] == [(2, 6)]  # all health, before the first result
    put(outbox, 200, kind=Kind.EVENT)
    assert {batch.kind for batch in iter(lambda: outbox.take(live=False), None)} == {Kind.EVENT}


def test_health_never_takes_more_than_a_tenth() -> None:
    outbox = box(max_bytes=10_000)
    put(outbox, 50, kind=Kind.HEALTH)
    put(outbox, 1)
    assert outbox.held_bytes <= 1100


def test_a_record_larger_than_the_outbox_is_given_up_alone() -> None:
    outbox = box(max_bytes=10_000)
    put(outbox, 5)
    outbox.put(Kind.RESULT, "door", b"x" * 10_000)
    assert outbox.take_gaps() == (Gap(epoch=1, first=6, last=6, reason="too large"),)
    assert outbox.counts.waiting == 5
    assert balanced(outbox)


def test_a_gap_grows_until_it_was_sent_and_never_after() -> None:
    outbox = box(max_bytes=10_000)
    put(outbox, 100)
    first = outbox.take_gaps()
    put(outbox, 200)
    second = outbox.take_gaps()
    assert len(first) == len(second) == 1
    assert first[0].last is not None
    assert second[0].first == first[0].last + 1
    outbox.release_gaps(first)
    assert outbox.take_gaps() == first
    assert outbox.take_gaps() == ()


def test_a_gap_is_not_acknowledged_before_it_was_sent() -> None:
    outbox = box(max_bytes=10_000)
    put(outbox, 100)
    outbox.acknowledge_gap(1, 1)
    assert len(outbox.take_gaps()) == 1


def test_what_is_given_up_on_its_way_is_a_gap_and_a_late_answer_does_no_harm() -> None:
    outbox = box(max_bytes=10_000)
    put(outbox, 50)
    batch = take(outbox)
    put(outbox, 300)
    assert outbox.acknowledge(1, batch.first, batch.last) == 0
    outbox.release(1, batch.first, batch.last, attempt=1)
    assert outbox.counts.in_flight == 0
    assert balanced(outbox)


def test_what_is_too_old_is_given_up_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = box(max_age_s=60.0)
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    put(outbox, 2)
    outbox.online(False)  # another chunk
    now[0] += 30.0
    outbox.put(Kind.RESULT, "door", PAYLOAD, "unsynced")
    now[0] += 30.0
    outbox.expire(1e12)
    assert outbox.counts.evicted == 0
    now[0] += 1.0
    outbox.expire(None)
    assert outbox.take_gaps() == (Gap(epoch=1, first=1, last=2, reason="too old"),)


def test_what_was_made_before_this_start_is_as_old_as_a_clock_says_that_can_be_believed() -> None:
    outbox = box(max_age_s=60.0)
    chunks = [Chunk(Kind.RESULT, 0, first, live=False, written_at=at) for first, at in ((1, 1000.0), (2, None))]
    for row, chunk in enumerate(chunks, 1):
        chunk.held.add(chunk.first, chunk.first)
        chunk.row, chunk.records = row, None
    outbox.restore(chunks, [], {0: "before"})
    outbox.expire(None)
    outbox.expire(1060.0)
    assert outbox.counts.evicted == 0
    outbox.expire(1e9)
    assert outbox.take_gaps() == (Gap(epoch=0, first=1, last=1, reason="too old"),)  # nobody knows how old the other is


def test_an_operator_may_drop_all_of_it() -> None:
    outbox = box()
    put(outbox, 7)
    put(outbox, 1, kind=Kind.EVENT)
    take(outbox)
    assert outbox.drop() == 8
    assert {gap.reason for gap in outbox.take_gaps()} == {"dropped by an operator"}
    assert balanced(outbox)


def test_numbers_stay_unique_while_many_threads_put() -> None:
    outbox = box()
    found: list[list[int]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda mine=mine: mine.extend(put(outbox, 500))) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20.0)
    assert sorted(n for mine in found for n in mine) == list(range(1, 2001))
    assert balanced(outbox)
