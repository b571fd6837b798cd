"""What the two databases have in common: transactions that run the same SQL, with `?` for values."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

# device, epoch, seq, kind, pipeline, time, mono_ns, clock, received_at, payload
Record: TypeAlias = tuple[str, int, int, int, str, float, int | None, str, float, str]
LOCK_S = 10.0  # how long one collector waits for another one's transaction; these take tenths of a second


class Transaction(Protocol):
    """Statements that take effect together."""

    def read(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of an answer."""
        ...

    def write(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run it once for each; returns how many rows were written."""
        ...

    def insert_records(self, records: Iterable[Record]) -> int:
        """Insert those that are not there yet; returns how many."""
        ...

    def delete_records(self, before: float, limit: int) -> list[tuple[str, int, int]]:
        """Delete some that were received before this time; returns (device, epoch, seq) of each."""
        ...

    def moment(self, seconds: float) -> object:
        """A time as this database keeps it.

        Raises:
            InputError: it lies outside of what the database can keep.
        """
        ...


class Engine(Protocol):
    """One connection, made when it is needed and again after it was lost.

    Every method raises DatabaseError where the database is away or refuses, InputError where it refuses a value, and
    UnavailableError where no retry will help.
    """

    def transaction(self) -> AbstractContextManager[Transaction]:
        """All or nothing; safe on the disk when the block has ended."""
        ...

    def snapshot(self) -> AbstractContextManager[Transaction]:
        """Reading, all as of one moment, while others write."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...
