"""The outbox in RAM against a list."""

import threading
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_infer.deliver import outbox as module
from edge_infer.deliver.outbox import MAX_BATCH_BYTES, MAX_BATCH_ROWS, Batch, MemoryOutbox
from edge_infer.wire.payloads import Gap

MAX_BYTES = 40


class Outboxes(RuleBasedStateMachine):
    """Whatever is done in whatever order: each sequence number is in exactly one place."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = MemoryOutbox(epoch=3, boot="b", max_bytes=MAX_BYTES)
        self.payloads: list[bytes] = []  # of sequence number 1, 2, ...
        self.pipelines: list[str] = []
        self.waiting: list[int] = []
        self.in_flight: list[Batch] = []
        self.acknowledged: set[int] = set()
        self.evicted: list[int] = []
        self.unreported: list[int] = []
        self.reported: list[tuple[Gap, ...]] = []

    @rule(pipeline=st.sampled_from("ab"), size=st.sampled_from([0, 5, 12, 30, MAX_BYTES + 5]))
    def put(self, pipeline: str, size: int) -> None:
        payload = bytes([len(self.payloads) % 256]) * size
        self.payloads.append(payload)
        self.pipelines.append(pipeline)
        assert self.outbox.put(pipeline, payload) == len(self.payloads)
        self.waiting.append(len(self.payloads))
        while sum(len(self.payloads[seq - 1]) for seq in self.waiting) > MAX_BYTES and len(self.waiting) > 1:
            self.evicted.append(self.waiting.pop(0))
            self.unreported.append(self.evicted[-1])

    @rule()
    def take(self) -> None:
        batch = self.outbox.take()
        if not self.waiting:
            assert batch is None
            return
        assert batch
        seqs = [record.seq for record in batch.records]
        assert seqs == self.waiting[: len(seqs)]
        assert batch.first_seq == seqs[0]
        assert all(following == seq + 1 for seq, following in pairwise(seqs))
        assert {self.pipelines[seq - 1] for seq in seqs} == {batch.pipeline}
        assert [record.payload for record in batch.records] == [self.payloads[seq - 1] for seq in seqs]
        del self.waiting[: len(seqs)]
        self.in_flight.append(batch)

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        batch = self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))
        self.outbox.acknowledge(batch)
        self.acknowledged |= {record.seq for record in batch.records}

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        batch = self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))
        self.outbox.release(batch)
        self.waiting = sorted([*self.waiting, *(record.seq for record in batch.records)])

    @rule()
    def report_gaps(self) -> None:
        gaps = self.outbox.take_gaps()
        assert sorted(numbers_in(gaps)) == sorted(self.unreported)
        self.unreported = []
        self.reported.append(gaps)

    @precondition(lambda self: self.reported)
    @rule()
    def fail_to_report(self) -> None:
        gaps = self.reported.pop()
        self.outbox.restore_gaps(gaps)
        self.unreported += numbers_in(gaps)

    @invariant()
    def every_number_is_in_one_place(self) -> None:
        flying = [record.seq for batch in self.in_flight for record in batch.records]
        everywhere = [*self.waiting, *flying, *self.acknowledged, *self.evicted]
        assert sorted(everywhere) == list(range(1, len(self.payloads) + 1))

    @invariant()
    def counts_add_up(self) -> None:
        counts = self.outbox.counts
        assert counts.put == counts.waiting + counts.in_flight + counts.acknowledged + counts.evicted
        assert counts.put == len(self.payloads)
        assert counts.waiting == len(self.waiting)
        assert counts.waiting_bytes == sum(len(self.payloads[seq - 1]) for seq in self.waiting)
        assert counts.in_flight == sum(len(batch.records) for batch in self.in_flight)
        assert counts.evicted == len(self.evicted)

    def teardown(self) -> None:
        gaps = [*self.outbox.take_gaps(), *(gap for gaps in self.reported for gap in gaps)]
        assert sorted(numbers_in(tuple(gaps))) == sorted(self.evicted)
        assert {gap.epoch for gap in gaps} <= {3}


TestOutboxes = Outboxes.TestCase
TestOutboxes.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def numbers_in(gaps: tuple[Gap, ...]) -> list[int]:
    return [seq for gap in gaps for seq in range(gap.first, gap.last + 1)]


def test_a_full_outbox_evicts_the_oldest_and_records_the_gap() -> None:
    outbox = MemoryOutbox(epoch=3, boot="b", max_bytes=10)
    for _ in range(5):
        outbox.put("door", b"12345")
    assert outbox.take_gaps() == (Gap(epoch=3, first=1, last=3, reason="outbox full"),)
    batch = outbox.take()
    assert batch
    assert [record.seq for record in batch.records] == [4, 5]


def test_a_record_larger_than_the_outbox_is_kept_alone() -> None:
    outbox = MemoryOutbox(epoch=3, boot="b", max_bytes=10)
    outbox.put("door", b"1")
    outbox.put("door", b"x" * 100)
    assert (outbox.counts.waiting, outbox.counts.evicted) == (1, 1)


def test_a_batch_holds_at_most_so_many_rows_and_bytes() -> None:
    outbox = MemoryOutbox(epoch=1, boot="b")
    for _ in range(MAX_BATCH_ROWS + 1):
        outbox.put("door", b"1")
    for _ in range(3):
        outbox.put("door", b"x" * (MAX_BATCH_BYTES // 2))
    sizes = []
    while batch := outbox.take():
        sizes.append((len(batch.records), sum(len(record.payload) for record in batch.records)))
    assert sizes == [(50, 50), (2, 1 + MAX_BATCH_BYTES // 2), (2, MAX_BATCH_BYTES)]


def test_threads_that_put_at_the_same_time_get_different_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BATCH_ROWS", 7)
    outbox = MemoryOutbox(epoch=1, boot="b")
    numbers: list[int] = []

    def put() -> None:
        numbers.extend(outbox.put("door", b"1") for _ in range(300))

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert sorted(numbers) == list(range(1, 1201))
    taken: list[int] = []
    while batch := outbox.take():
        taken.extend(record.seq for record in batch.records)
    assert taken == sorted(numbers)
