"""Who does the work: the workers of one machine, or of a cluster."""

from collections.abc import Iterator
from typing import Protocol, TypeAlias

from msgspec import Struct

from edge_infer import errors
from edge_infer.errors import EdgeInferError, StalledError
from edge_infer.tools.batch.items import Item
from edge_infer.tools.batch.shard import Answer

STILLBORN = 3  # workers in a row that die while they load the model: the next would, too


class Refusal(Struct, frozen=True, tag=True):
    """A worker cannot work, and no other could: the error's class of `errors.py`, and its message."""

    kind: str
    message: str

    @classmethod
    def of(cls, error: EdgeInferError) -> "Refusal":
        """The error, to be sent to another process: not every exception can be pickled."""
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        return cls(kind.__name__, str(error))

    @property
    def error(self) -> EdgeInferError:
        """The error again; one that is made of more than a message becomes that of a model."""
        kind = getattr(errors, self.kind)
        return kind(self.message) if kind is not errors.ConfigError else errors.ModelError(self.message)


class Lost(Struct, frozen=True):
    """A worker died.

    Attributes:
        held: what it may have died of
        others: what it had been given beside
        reason: "killed by SIGSEGV"
    """

    held: tuple[Item, ...]
    others: tuple[Item, ...]
    reason: str


News: TypeAlias = tuple[Item, Answer] | Lost


class Crew(Protocol):
    """Workers, each known by a number; one that died is replaced under another."""

    def free(self) -> list[int]:
        """Those that have nothing to do."""

    def give(self, worker: int, items: list[Item]) -> None:
        """Let a free one work on these, in this order."""

    def news(self, timeout: float) -> Iterator[News]:
        """What has come of it meanwhile; waits for the first so long.

        Raises:
            EdgeInferError: none can work.
        """

    def close(self) -> None:
        """Send all home."""


def stillborn(reason: str) -> StalledError:
    """The error when workers die before they have looked at anything."""
    return StalledError(
        f"{STILLBORN} workers in a row died while they loaded the model ({reason}): if memory is short, "
        f"give fewer --workers; what was done is kept, the same command goes on"
    )
