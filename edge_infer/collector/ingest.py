"""The thread of the database: what has come is stored, and only then acknowledged."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from edge_infer.collector.arrivals import (
    Arrival,
    Database,
    DeadLetter,
    GapReport,
    Presence,
    Rows,
    Stored,
)
from edge_infer.collector.decode import dead_letter, decode
from edge_infer.collector.intake import Intake, Received
from edge_infer.errors import UnavailableError
from edge_infer.flow.worker import Worker
from edge_infer.mqtt.link import Message
from edge_infer.wire.payloads import Ack
from edge_infer.wire.ranges import Ranges
from edge_infer.wire.topics import Topics

log = logging.getLogger(__name__)

PORTION_ROWS = 20_000  # of one transaction, and bytes of it: what the memory of a batch costs at most
PORTION_BYTES = 16_000_000
EXPIRE_EVERY_S = 3600.0
TELL_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say after a transaction: first to the devices, then to the broker, in the order of arrival."""

    acks: deque[Message]
    received: Sequence[Received]


@dataclass(slots=True)
class _Told:
    """What one start of a device is told."""

    ranges: dict[int, Ranges] = field(default_factory=dict)  # by epoch
    gaps: set[tuple[int, int]] = field(default_factory=set)

    def ack(self, boot: str) -> Ack:
        ranges = tuple((epoch, first, last) for epoch, held in sorted(self.ranges.items()) for first, last in held)
        return Ack(boot=boot, ranges=ranges, gaps=tuple(sorted(self.gaps)))


class Ingest:
    """Takes from the intake, stores, and answers; the body of a Worker, which runs it again while the database is away.

    What is in hand stays in hand over that. `answer` is called from this thread.
    """

    def __init__(
        self,
        root: str,
        intake: Intake,
        open_database: Callable[[], Database],
        answer: Callable[[Answer], None],
        retention_s: float | None = None,
    ) -> None:
        self.opened = threading.Event()
        self.total = Stored()
        self._root = root
        self._intake = intake
        self._open = open_database
        self._answer = answer
        self._retention_s = retention_s
        self._database: Database | None = None
        self._taken: deque[Received] = deque()
        self._portion: list[tuple[Received, Arrival | None]] = []  # in hand
        self._greeted: dict[str, tuple[int, str]] = {}  # device: connection, boot
        self._expire_at = self._tell_at = 0.0  # monotonic seconds
        self._told = (0, 0, 0, 0)

    @property
    def in_hand(self) -> int:
        """How many messages came that are not stored."""
        return len(self._portion) + len(self._taken) + len(self._intake)

    def run(self, worker: Worker) -> None:
        """Store until the intake is closed and empty.

        Raises:
            DatabaseError: the database is away; `run` may be called again.
        """
        if self._database is None:
            self._database = self._open()
            self.opened.set()
        while self._fill():
            self._finish(self._database)
            if worker.last_retry:
                log.info("the database is back", extra={"messages": len(self._portion)})
            worker.progress()
            self._portion.clear()
            self._keep_house(self._database)
        self._database.close()

    def _fill(self) -> bool:
        """Get something in hand, or nothing if nothing came for a while; False at the end."""
        if self._portion:  # from before the database went away
            return True
        if not self._taken:
            batch = self._intake.take()
            if batch is None:
                return False
            self._taken.extend(batch)
        rows = size = 0
        while self._taken and rows < PORTION_ROWS and size < PORTION_BYTES:
            received = self._taken.popleft()
            arrival = decode(self._root, received.message.topic, received.message.payload)
            self._portion.append((received, arrival))
            if isinstance(arrival, Rows):
                rows += len(arrival.rows)
                size += sum(len(row.payload) for row in arrival.rows)
        return True

    def _finish(self, database: Database) -> None:
        if not self._portion:
            return
        buried = self._store(database, self._portion)
        kept = [(received, arrival) for received, arrival in self._portion if id(received) not in buried]
        self._answer(Answer(self._acks(kept), [received for received, _ in self._portion]))

    def _store(self, database: Database, portion: Sequence[tuple[Received, Arrival | None]]) -> set[int]:
        """Store all; what the database refuses for good is halved until the one is found, which is buried.

        Returns the `id` of each that was buried.
        """
        arrivals = [arrival for _, arrival in portion if arrival is not None]
        try:
            if arrivals:
                self._count(database.store(arrivals, time.time()), arrivals)
        except UnavailableError:  # a DatabaseError, which Worker retries, or something that no retry helps
            raise
        except Exception as error:
            if len(arrivals) == 1 and isinstance(arrivals[0], DeadLetter):
                raise
            if len(portion) == 1:
                received = portion[0][0]
                log.exception("a message cannot be stored", extra={"topic": received.message.topic})
                self._bury(database, received, arrivals[0], error)
                return {id(received)}
            half = len(portion) // 2
            return self._store(database, portion[:half]) | self._store(database, portion[half:])
        return set()

    def _bury(self, database: Database, received: Received, arrival: Arrival, error: Exception) -> None:
        letter = dead_letter(
            received.message.topic,
            received.message.payload,
            f"it cannot be stored: {type(error).__name__}: {error}",
            arrival.device,
        )
        self._count(database.store([letter], time.time()), [letter])

    def _count(self, stored: Stored, arrivals: Sequence[Arrival]) -> None:
        self.total.rows += stored.rows
        self.total.duplicates += stored.duplicates
        self.total.dead_letters += stored.dead_letters
        self.total.conflicts += stored.conflicts
        for arrival in arrivals:
            if isinstance(arrival, DeadLetter):
                log.warning(
                    "a message cannot be used, it lies in the dead letters",
                    extra={"topic": arrival.topic, "reason": arrival.reason},
                )
        for conflict in stored.conflicts:
            log.error(
                "two devices call themselves %s (or its state folder was put back from a backup): "
                "the results of the later one lie in the dead letters; give it another id",
                conflict.device,
                extra={"epoch": conflict.epoch, "boot": conflict.boot, "first_boot": conflict.first_boot},
            )

    def _acks(self, stored: Sequence[tuple[Received, Arrival | None]]) -> deque[Message]:
        """One for each start of a device whose records or gaps are stored now, or that we hear for the first time."""
        told: dict[tuple[str, str], _Told] = {}
        greeted: set[tuple[str, str]] = (
            set()
        )  # each for itself, and first: only an empty one makes it send again at once
        for received, arrival in stored:
            if isinstance(arrival, Rows):
                to = told.setdefault((arrival.device, arrival.boot), _Told())
                last = arrival.first_seq + len(arrival.rows) - 1
                to.ranges.setdefault(arrival.epoch, Ranges()).add(arrival.first_seq, last)
            elif isinstance(arrival, GapReport):
                to = told.setdefault((arrival.device, arrival.boot), _Told())
                to.gaps.update((gap.epoch, gap.first) for gap in arrival.gaps)
            elif isinstance(arrival, Presence) and arrival.state in ("online", "degraded"):
                heard = (received.connection, arrival.boot)
                if self._greeted.get(arrival.device) != heard:
                    self._greeted[arrival.device] = heard
                    greeted.add((arrival.device, arrival.boot))
        hellos = [self._message(device, Ack(boot=boot)) for device, boot in sorted(greeted)]
        return deque([*hellos, *(self._message(device, to.ack(boot)) for (device, boot), to in told.items())])

    def _message(self, device: str, ack: Ack) -> Message:
        return Message(Topics(device, self._root).ack, msgspec.json.encode(ack))

    def _keep_house(self, database: Database) -> None:
        now = time.monotonic()
        if self._retention_s is not None and now >= self._expire_at:
            self._expire_at = now + EXPIRE_EVERY_S
            deleted = database.expire(time.time() - self._retention_s)
            log.info("old results were deleted", extra={"rows": deleted})
        total = self.total
        counts = (total.rows, total.duplicates, total.dead_letters, self._intake.dropped)
        if now >= self._tell_at and counts != self._told:
            self._tell_at, self._told = now + TELL_EVERY_S, counts
            names = ("rows", "duplicates", "dead_letters", "health_dropped")
            log.info("stored since the start", extra=dict(zip(names, counts, strict=True)))
