"""What has come from the broker and waits for the database: handed over from one thread to the other."""

import threading
import time
from collections import deque
from dataclasses import dataclass

from edge_infer.mqtt.link import Message

BATCH_MESSAGES = 500  # in one transaction: SQLite stores 46k rows/s so, 15k with one message each
BATCH_BYTES = 4_000_000
GATHER_S = 0.05  # how long the first message of a batch waits for others
IDLE_S = 1.0  # how long `take` waits for a first message

# The receive maximum does not bound it: what is in hand comes once more after a reconnect, and mosquitto 2.0.11 went on
# to 3200 messages instead of 1000 when it had a backlog.
FULL_BYTES = 100_000_000
FULL_MESSAGES = 10_000
MAX_LOOSE = 10_000  # waiting messages of QoS 0 (health reports), which nothing else bounds


@dataclass(frozen=True, slots=True)
class Received:
    """A message and the connection that it came by: only there its number means something to the broker."""

    connection: int
    message: Message


class Intake:
    """A queue with a bound in bytes."""

    def __init__(self) -> None:
        self.dropped = 0  # messages of QoS 0 that found it full
        self._changed = threading.Condition()
        self._waiting: deque[Received] = deque()
        self._bytes = 0
        self._loose = 0
        self._first_at = 0.0  # monotonic seconds
        self._closed = False

    @property
    def full(self) -> bool:
        """More is in hand than should be: whoever receives should pause."""
        return self._bytes > FULL_BYTES or len(self._waiting) > FULL_MESSAGES

    def put(self, received: Received) -> None:
        """Add a message; once closed it is left to the broker."""
        with self._changed:
            if self._closed:
                return
            if not received.message.qos:
                if self._loose >= MAX_LOOSE:
                    self.dropped += 1
                    return
                self._loose += 1
            if not self._waiting:
                self._first_at = time.monotonic()
            self._waiting.append(received)
            self._bytes += len(received.message.payload)
            if len(self._waiting) == 1 or self._is_batch():
                self._changed.notify()

    def take(self) -> list[Received] | None:
        """The next batch in the order of arrival; empty where nothing came for a second, None where nothing will."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, IDLE_S)
            if not self._waiting:
                return None if self._closed else []
            until = self._first_at + GATHER_S
            self._changed.wait_for(lambda: self._is_batch() or self._closed, until - time.monotonic())
            return self._pop()

    def close(self) -> None:
        """Take in nothing more; what is here can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def __len__(self) -> int:
        return len(self._waiting)

    def _is_batch(self) -> bool:
        return len(self._waiting) >= BATCH_MESSAGES or self._bytes >= BATCH_BYTES

    def _pop(self) -> list[Received]:
        batch: list[Received] = []
        size = 0
        while self._waiting and len(batch) < BATCH_MESSAGES and size < BATCH_BYTES:
            received = self._waiting.popleft()
            size += len(received.message.payload)
            self._loose -= not received.message.qos
            batch.append(received)
        self._bytes -= size
        return batch
