"""Which records are sent next, and whose acknowledgement counts; by a clock of the test's own."""

from dataclasses import dataclass, field

import pytest

from edge_infer.deliver import dispatch as module
from edge_infer.deliver.dispatch import Dispatch
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.outbox import BACKLOG_ROWS, MAX_BATCH_ROWS, Outbox
from edge_infer.deliver.records import Batch
from edge_infer.wire.payloads import Ack
from edge_infer.wire.topics import Kind


@dataclass
class Bench:
    """A dispatch and its outbox."""

    by_collector: bool = True
    backlog_per_s: float = 1e6
    now: float = 100.0
    box: Outbox = field(default_factory=lambda: Outbox(epoch=7, boot="mine", limits=OutboxSettings()))

    def __post_init__(self) -> None:
        self.dispatch = Dispatch(
            self.box,
            by_collector=self.by_collector,
            resend_s=30.0,
            backlog_per_s=self.backlog_per_s,
            clock=lambda: self.now,
        )

    def put(self, count: int) -> None:
        for _ in range(count):
            self.box.put(Kind.RESULT, "door", b"{}")

    def send(self) -> list[tuple[int, int]]:
        """(first, last) of all that goes out now."""
        return [(batch.first, batch.last) for batch in iter(self.dispatch.next, None)]

    def take(self) -> Batch:
        batch = self.dispatch.next()
        assert batch
        return batch


def ack(*ranges: tuple[int, int, int], boot: str = "mine", gaps: tuple[tuple[int, int], ...] = ()) -> Ack:
    return Ack(boot=boot, ranges=ranges, gaps=gaps)


def test_the_brokers_word_counts_until_a_collector_is_heard() -> None:
    bench = Bench(by_collector=False)
    bench.put(2)
    bench.dispatch.accepted(bench.take())
    assert bench.box.counts.acknowledged == 2
    assert bench.dispatch.acknowledged(ack())
    bench.put(2)
    bench.dispatch.accepted(bench.take())
    assert bench.box.counts.acknowledged == 2
    assert bench.dispatch.acknowledged(ack((7, 3, 4)))
    assert bench.box.counts.acknowledged == 4


def test_what_no_collector_stores_is_sent_again_ever_more_rarely() -> None:
    bench = Bench()
    bench.put(3)
    sent = []
    for _ in range(400):
        bench.dispatch.release_overdue()
        sent += [round(bench.now - 100.0) for _ in bench.send()]
        bench.now += 5.0
    assert sent[:6] == [0, 30, 90, 210, 450, 930]
    assert sent[6] - sent[5] == 600
    assert bench.box.counts.resent == 3 * (len(sent) - 1)


def test_the_wait_ends_when_something_is_to_be_sent_again() -> None:
    bench = Bench()
    bench.put(1)
    bench.send()
    bench.now += 10.0
    assert bench.dispatch.wait_s() == pytest.approx(20.0)


def test_a_collector_that_comes_back_gets_all_at_once() -> None:
    bench = Bench()
    bench.put(120)
    bench.send()
    assert bench.send() == []
    assert bench.dispatch.acknowledged(ack())
    assert bench.send() == [(1, 50), (51, 100), (101, 120)]


def test_one_acknowledgement_may_cover_many_batches_and_parts_of_one() -> None:
    bench = Bench()
    bench.put(120)
    bench.send()
    bench.dispatch.acknowledged(ack((7, 1, 100), (7, 105, 110)))
    bench.now += 31.0
    bench.dispatch.release_overdue()
    assert bench.send() == [(101, 104), (111, 120)]


def test_the_word_of_a_collector_for_another_device_of_our_id_does_not_count() -> None:
    bench = Bench()
    bench.put(5)
    bench.send()
    assert not bench.dispatch.acknowledged(ack((7, 1, 5), boot="clone"))
    assert not bench.dispatch.acknowledged(ack(boot="clone"))
    assert not bench.dispatch.acknowledged(ack(gaps=((7, 1),), boot="clone"))
    assert bench.box.counts.acknowledged == 0


def test_results_of_an_earlier_start_are_acknowledged_by_its_boot() -> None:
    bench = Bench()
    bench.box.restore([], [], {6: "before"})
    assert bench.dispatch.acknowledged(ack((6, 1, 5), boot="before"))
    assert not bench.dispatch.acknowledged(ack((5, 1, 5), boot="before"))


def test_the_backlog_is_limited_in_rate_and_what_is_live_is_not() -> None:
    bench = Bench(backlog_per_s=100.0)
    bench.put(1000)
    bench.box.online(True)
    bench.put(60)
    sent = bench.send()
    assert {(1001, 1050), (1051, 1060)} < set(sent)
    assert sum(last - first + 1 for first, last in sent if first <= 1000) == 100
    assert bench.dispatch.wait_s() < 0.1
    bench.now += 1.0
    assert sum(last - first + 1 for first, last in bench.send()) == 100


def test_one_send_in_four_is_left_to_the_backlog() -> None:
    bench = Bench()
    bench.put(BACKLOG_ROWS + 1)
    bench.box.online(True)
    bench.put(10 * MAX_BATCH_ROWS)
    firsts = [bench.take().first for _ in range(8)]
    assert sum(first <= BACKLOG_ROWS + 1 for first in firsts) == 2


def test_a_backlog_waits_for_a_silent_collector_and_what_is_live_does_not() -> None:
    bench = Bench()
    bench.put(200 * MAX_BATCH_ROWS)
    assert len(bench.send()) == module.MAX_AWAITING
    bench.box.online(True)
    bench.put(1)
    assert bench.send() == [(200 * MAX_BATCH_ROWS + 1,) * 2]
    bench.dispatch.acknowledged(ack((7, 1, 10 * MAX_BATCH_ROWS)))
    assert len(bench.send()) == 9


def test_a_gap_is_reported_again_until_a_collector_has_it() -> None:
    bench = Bench()
    bench.put(3)
    bench.box.drop()
    gaps = bench.box.take_gaps()
    bench.dispatch.gaps_accepted(gaps)
    assert bench.box.take_gaps() == ()
    bench.now += 31.0
    bench.dispatch.release_overdue()
    assert bench.box.take_gaps() == gaps
    bench.dispatch.acknowledged(ack(gaps=((7, 1),)))
    bench.now += 100.0
    bench.dispatch.release_overdue()
    assert bench.box.take_gaps() == ()
    assert bench.box.oldest is None


def test_halves_of_a_batch_are_answered_for_themselves() -> None:
    bench = Bench(by_collector=False)
    bench.put(5)
    one, two = bench.dispatch.halves(bench.take())
    assert (one.first, one.last, two.first, two.last) == (1, 2, 3, 5)
    bench.dispatch.accepted(one)
    bench.dispatch.give_up(two, "too large")
    assert (bench.box.counts.acknowledged, bench.box.counts.evicted) == (2, 3)
