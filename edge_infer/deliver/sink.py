"""What takes results."""

from typing import Protocol

from edge_infer.types import Result


class Sink(Protocol):
    """Somewhere that results go; never blocks the caller for long. Called by one thread of each pipeline."""

    def publish(self, result: Result, pipeline: str | None = None) -> int:
        """Take over a result; returns how many results this sink has taken. `pipeline`: default the source's name."""
        ...

    def close(self) -> int:
        """Finish; returns how many results did not get through."""
        ...
