"""What came is stored, and only then answered; whatever the database does."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from said import ROOT, MemoryDatabase, envelope, gaps, status
from waiting import until

from edge_infer.collector import intake as intakes
from edge_infer.collector.arrivals import DatabaseError, DeadLetter, Rows
from edge_infer.collector.ingest import Answer, Ingest
from edge_infer.collector.intake import Intake, Received
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.worker import Worker
from edge_infer.mqtt.link import Message
from edge_infer.wire.deflate import deflate
from edge_infer.wire.payloads import Ack, Gap


class Ingesting:
    """An ingest at work in its thread, and what it answered."""

    def __init__(self, database: MemoryDatabase, **options: Any) -> None:
        self.intake = Intake()
        self.answers: list[Answer] = []
        self.ingest = Ingest(ROOT, self.intake, lambda: database, self.answers.append, **options)
        self.worker = Worker("database", self.ingest.run, Backoff(base=0.02, cap=0.1))
        self._mid = 0

    def comes(self, what: str, payload: bytes, device: str = "porch", connection: int = 1, qos: int = 1) -> None:
        self._mid += 1
        message = Message(f"{ROOT}/{device}/{what}", payload, qos, mid=self._mid)
        self.intake.put(Received(connection, message))

    def finish(self) -> None:
        """Store all and end."""
        self.intake.close()
        if not self.worker.alive:
            self.worker.start()
        assert self.worker.join(20.0)

    def acks(self, device: str = "porch") -> list[Ack]:
        messages = [message for answer in self.answers for message in answer.acks]
        return [msgspec.json.decode(m.payload, type=Ack) for m in messages if m.topic == f"{ROOT}/{device}/ack"]

    def answered(self) -> list[int]:
        """Numbers of the messages that the broker may forget, in order."""
        return [received.message.mid for answer in self.answers for received in answer.received]


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


@pytest.fixture
def ingesting(database: MemoryDatabase) -> Iterator[Ingesting]:
    found = Ingesting(database)
    yield found
    database.go_on()
    database.away = None
    found.intake.close()
    found.worker.stop()
    if found.worker.alive:
        assert found.worker.join(20.0)


def test_one_ack_tells_each_start_of_a_device_all_that_is_stored(ingesting: Ingesting) -> None:
    for first_seq in (1, 4, 10):
        ingesting.comes("results/door", envelope(first_seq, 3))
    ingesting.comes("events/door", envelope(7, 2, epoch=1))
    ingesting.comes("results/door", envelope(1, 2, epoch=2, boot="b2"))
    ingesting.comes(
        "gaps", gaps(Gap(epoch=1, first=9, last=9, reason="x"), Gap(epoch=1, first=13, last=None, reason="x"))
    )
    ingesting.comes("results/door", envelope(1, 1, device="attic", boot="a1"), "attic")
    ingesting.finish()
    assert ingesting.acks() == [
        Ack(boot="b1", ranges=((1, 1, 8), (1, 10, 12)), gaps=((1, 9), (1, 13))),
        Ack(boot="b2", ranges=((2, 1, 2),)),
    ]
    assert ingesting.acks("attic") == [Ack(boot="a1", ranges=((1, 1, 1),))]
    assert ingesting.answered() == [1, 2, 3, 4, 5, 6, 7]


def test_an_ack_is_no_retained_message_and_is_delivered_at_least_once(ingesting: Ingesting) -> None:
    ingesting.comes("results/door", envelope())
    ingesting.finish()
    (ack,) = ingesting.answers[0].acks
    assert (ack.topic, ack.qos, ack.retain) == ("edge/v1/porch/ack", 1, False)


def test_what_comes_within_a_moment_is_one_transaction(database: MemoryDatabase, ingesting: Ingesting) -> None:
    for first_seq in range(1, 101):
        ingesting.comes("results/door", envelope(first_seq, 1))
    ingesting.finish()
    assert database.batches == [100]
    assert ingesting.acks() == [Ack(boot="b1", ranges=((1, 1, 100),))]


def test_a_batch_has_a_limit_of_messages_and_one_of_bytes(
    database: MemoryDatabase, ingesting: Ingesting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intakes, "BATCH_MESSAGES", 10)
    for first_seq in range(1, 26):
        ingesting.comes("results/door", envelope(first_seq, 1))
    ingesting.finish()
    assert database.batches == [10, 10, 5]


def test_a_bomb_of_small_messages_is_cut_into_transactions(database: MemoryDatabase, ingesting: Ingesting) -> None:
    rows = [msgspec.Raw(b'{"time": 1, "text": "' + b"x" * 1000 + b'"}')] * 9000
    for part in range(4):  # 9 MB each, 50 kB as they travel
        ingesting.comes("results/door", deflate(envelope(9000 * part + 1, results=rows)))
    ingesting.finish()
    assert database.batches == [2, 2]
    assert len(database.rows) == 36_000


def test_nothing_is_answered_while_the_database_hangs(database: MemoryDatabase, ingesting: Ingesting) -> None:
    database.hangs.set()
    ingesting.worker.start()
    ingesting.comes("results/door", envelope())
    until(lambda: database.begun == 1, what="the transaction")
    ingesting.comes("results/door", envelope(4))
    assert ingesting.answers == []
    assert ingesting.ingest.in_hand == 2
    database.go_on()
    until(lambda: ingesting.answered() == [1, 2], what="the answers")
    until(lambda: ingesting.ingest.in_hand == 0, what="an empty hand")


def test_a_database_that_is_away_is_tried_until_it_is_back(
    database: MemoryDatabase, ingesting: Ingesting, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    database.away = "the database db.sqlite is locked"
    ingesting.worker.start()
    ingesting.comes("results/door", envelope())
    until(lambda: database.begun >= 3, what="three tries")
    ingesting.comes("results/door", envelope(4))
    assert ingesting.answers == []
    database.away = None
    until(lambda: ingesting.answered() == [1, 2], what="the answers")
    assert database.seqs() == [1, 2, 3, 4, 5, 6]
    said = [record.getMessage() for record in caplog.records]
    assert said.count("the database db.sqlite is locked, trying again") == 1
    assert said.count("the database is back") == 1


def test_what_comes_again_is_acknowledged_again(database: MemoryDatabase, ingesting: Ingesting) -> None:
    ingesting.comes("results/door", envelope())
    ingesting.comes("results/door", envelope())
    ingesting.finish()
    assert ingesting.acks() == [Ack(boot="b1", ranges=((1, 1, 3),))]
    assert (ingesting.ingest.total.rows, ingesting.ingest.total.duplicates) == (3, 3)


def test_a_message_that_cannot_be_read_is_answered_to_the_broker_but_not_to_the_device(
    database: MemoryDatabase, ingesting: Ingesting, caplog: pytest.LogCaptureFixture
) -> None:
    ingesting.comes("results/door", envelope(1))
    ingesting.comes("results/door", envelope(4)[:-9])
    ingesting.comes("results/door", envelope(7))
    ingesting.finish()
    assert database.seqs() == [1, 2, 3, 7, 8, 9]
    assert [letter.payload for letter in database.dead] == [envelope(4)[:-9]]
    assert ingesting.acks() == [Ack(boot="b1", ranges=((1, 1, 3), (1, 7, 9)))]
    assert ingesting.answered() == [1, 2, 3]
    (said,) = [record for record in caplog.records if "dead letters" in record.getMessage()]
    assert vars(said)["reason"] == "it is not as agreed: Input data was truncated"


@pytest.mark.parametrize("bad", [{13}, {1, 2, 40}, set(range(1, 41))])
def test_what_the_database_refuses_for_good_is_found_and_blocks_nobody(
    database: MemoryDatabase, ingesting: Ingesting, bad: set[int]
) -> None:
    database.refuses = lambda arrival: isinstance(arrival, Rows) and arrival.first_seq in bad
    for first_seq in range(1, 41):
        ingesting.comes("results/door", envelope(first_seq, 1))
    ingesting.finish()
    good = set(range(1, 41)) - bad
    assert set(database.seqs()) == good
    assert sorted(letter.payload for letter in database.dead) == sorted(envelope(seq, 1) for seq in bad)
    reasons = {(letter.reason, letter.device) for letter in database.dead}
    assert reasons == {("it cannot be stored: ValueError: the database does not like it", "porch")}
    assert {seq for ack in ingesting.acks() for _, a, b in ack.ranges for seq in range(a, b + 1)} == good
    assert ingesting.answered() == list(range(1, 41))


def test_a_database_that_goes_away_while_the_bad_one_is_sought_costs_nothing(
    database: MemoryDatabase, ingesting: Ingesting
) -> None:
    def refuses(arrival: object) -> bool:
        if database.begun in (4, 7):
            raise DatabaseError("the database is away")
        return isinstance(arrival, Rows) and arrival.first_seq == 5

    database.refuses = refuses
    for first_seq in range(1, 9):
        ingesting.comes("results/door", envelope(first_seq, 1))
    ingesting.finish()
    assert database.seqs() == [1, 2, 3, 4, 6, 7, 8]
    assert len(database.dead) == 1
    assert ingesting.acks() == [Ack(boot="b1", ranges=((1, 1, 4), (1, 6, 8)))]
    assert ingesting.answered() == list(range(1, 9))


def test_a_database_that_refuses_even_dead_letters_ends_the_thread_and_nothing_is_answered(
    database: MemoryDatabase, ingesting: Ingesting
) -> None:
    database.refuses = lambda _: True
    ingesting.comes("results/door", envelope())
    ingesting.finish()
    assert isinstance(ingesting.worker.error, ValueError)
    assert ingesting.answers == []


def test_two_devices_of_one_name_are_said_plainly_and_both_are_told(
    database: MemoryDatabase, ingesting: Ingesting, caplog: pytest.LogCaptureFixture
) -> None:
    ingesting.comes("results/door", envelope(boot="b1"))
    ingesting.comes("results/door", envelope(boot="b2"))
    ingesting.finish()
    (said,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert said.getMessage().startswith("two devices call themselves porch ")
    assert (vars(said)["boot"], vars(said)["first_boot"]) == ("b2", "b1")
    assert [ack.boot for ack in ingesting.acks()] == ["b1", "b2"]


def test_a_device_that_is_heard_for_the_first_time_is_greeted_once_a_connection(ingesting: Ingesting) -> None:
    hello = Ack(boot="b1")
    ingesting.comes("status", status("online"))
    ingesting.comes("status", status("degraded"))
    ingesting.comes("status", status("online", boot="b2", epoch=2))
    ingesting.comes("status", status("online", boot="b2", epoch=2), connection=2)
    ingesting.finish()
    assert ingesting.acks() == [hello, Ack(boot="b2")]


def test_a_greeting_is_not_lost_among_acknowledgements(ingesting: Ingesting) -> None:
    ingesting.comes("results/door", envelope(boot="b1"))
    ingesting.comes("status", status("online"))
    ingesting.finish()
    hello, ack = ingesting.acks()
    assert hello == Ack(boot="b1")
    assert ack.ranges


def test_each_connection_greets_anew(ingesting: Ingesting) -> None:
    ingesting.worker.start()
    for connection in (1, 1, 2, 2):
        answers = len(ingesting.answers)
        ingesting.comes("status", status("online"), connection=connection)
        until(lambda before=answers: len(ingesting.answers) > before, what="the answer")
    assert ingesting.acks() == [Ack(boot="b1"), Ack(boot="b1")]


@pytest.mark.parametrize("state", ["offline", "lost"])
def test_a_device_that_is_not_there_is_not_greeted(database: MemoryDatabase, ingesting: Ingesting, state: str) -> None:
    ingesting.comes("status", status(state))
    ingesting.finish()
    assert ingesting.acks() == []
    assert database.presence["porch"].state == state


def test_a_closed_intake_leaves_the_rest_to_the_broker(database: MemoryDatabase, ingesting: Ingesting) -> None:
    ingesting.comes("results/door", envelope(1))
    ingesting.intake.close()
    ingesting.comes("results/door", envelope(4))
    ingesting.finish()
    assert ingesting.answered() == [1]
    assert database.closed


def test_health_reports_that_nobody_stores_have_a_bound(ingesting: Ingesting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intakes, "MAX_LOOSE", 10)
    for _ in range(15):
        ingesting.comes("health", b"{}", qos=0)
    ingesting.comes("results/door", envelope())
    assert (len(ingesting.intake), ingesting.intake.dropped) == (11, 5)
    ingesting.finish()
    ingesting.intake = Intake()
    ingesting.comes("health", b"{}", qos=0)
    assert len(ingesting.intake) == 1


def test_an_intake_knows_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intakes, "FULL_BYTES", 1000)
    intake = Intake()
    for _ in range(2):
        assert not intake.full
        intake.put(Received(1, Message("t", b"x" * 600, mid=1)))
    assert intake.full
    assert len(intake.take() or ()) == 2
    assert not intake.full


def test_old_results_are_deleted_at_the_start_and_then_each_hour(
    database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock: Callable[[], float] = lambda: 10_000.0 + 1000.0 * len(database.batches)  # noqa: E731
    before = time.time()
    found = Ingesting(database, retention_s=86_400.0)
    monkeypatch.setattr(intakes, "BATCH_MESSAGES", 1)
    monkeypatch.setattr("edge_infer.collector.ingest.time", type("Clock", (), {"time": time.time, "monotonic": clock}))
    for first_seq in range(1, 6):
        found.comes("results/door", envelope(first_seq, 1))
    found.finish()
    assert found.worker.error is None
    assert len(database.expired) == 2  # after 1000 s and after 5000 s
    assert all(-1.0 < at - (before - 86_400.0) < 60.0 for at in database.expired)


def test_dead_letters_name_the_device_where_its_topic_does(database: MemoryDatabase, ingesting: Ingesting) -> None:
    ingesting.comes("results/a/b", b"x")
    ingesting.comes("results/door", b"x", device="_x")
    ingesting.finish()
    assert [letter.device for letter in database.dead] == ["porch", None]
    assert all(isinstance(letter, DeadLetter) for letter in database.dead)
