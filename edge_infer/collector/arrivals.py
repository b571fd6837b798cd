"""What arrives from devices, checked and ready to be stored; and what a database must be able to do with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from edge_infer.errors import TransientError
from edge_infer.wire.payloads import ClockState, Gap
from edge_infer.wire.topics import Kind


class DatabaseError(TransientError):
    """The database is away, or refuses: what was in hand stays in hand, and trying again may work."""


@dataclass(frozen=True, slots=True)
class Row:
    """One result, event or health record, as the device wrote it."""

    time: float  # seconds since 1970 by the device's clock
    mono_ns: int | None
    payload: bytes  # its JSON


@dataclass(frozen=True, slots=True)
class Rows:
    """One envelope: the i-th row has the sequence number first_seq + i."""

    kind: Kind
    device: str
    epoch: int
    boot: str
    first_seq: int
    pipeline: str
    clock: ClockState
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class GapReport:
    """What a device says will never come."""

    device: str
    boot: str
    gaps: Sequence[Gap]


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a device is there, and how far it is settled.

    `oldest`: (epoch, seq) of the oldest that the device still holds; all before are stored, or in a gap. None with
    `settled`: it holds nothing. `last_seq`: how many numbers the epoch has so far.
    """

    device: str
    state: str | None  # None: no news of it (a health report)
    time: float
    epoch: int
    boot: str
    last_seq: int | None = None
    oldest: tuple[int, int] | None = None
    settled: bool = False  # `oldest` was told


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that cannot become rows, kept as it came, with the reason."""

    topic: str
    payload: bytes
    reason: str
    device: str | None = None


Arrival: TypeAlias = Rows | GapReport | Presence | DeadLetter


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two starts of one device with one epoch: a cloned device, or a state folder put back from a backup."""

    device: str
    epoch: int
    boot: str  # the later one, whose rows went to the dead letters
    first_boot: str


@dataclass(slots=True)
class Stored:
    """What one transaction did."""

    rows: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    conflicts: list[Conflict] = field(default_factory=list)  # first noticed by this transaction


class Database(Protocol):
    """Where rows go. Used by one thread."""

    def store(self, arrivals: Sequence[Arrival], received_at: float) -> Stored:
        """Store all of them in one transaction; they are safe when this returns. `received_at`: seconds since 1970.

        Raises:
            DatabaseError: nothing of it was stored.
        """
        ...

    def expire(self, before: float) -> int:
        """Delete rows received before this time, keeping the record that they were there; returns how many."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...
